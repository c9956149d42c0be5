"""What to do about a refusal, in the names of the machine: the commands are run, and the next boot wipes."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from impermanenced.boots import doctor, examine, remedy, setup
from impermanenced.boots.reasons import REASONS
from impermanenced.boots.remedy import NO_NAMES, Names
from impermanenced.report.report import Manager
from tests.conftest import Filesystem, sh
from tests.shell.hook import Initrd

MODULES = Path("usr/lib/modules") / os.uname().release


class Debian:
    """A machine with the names of Debian's installer, set up, and its initrd."""

    def __init__(self, filesystem: Filesystem, tmp_path: Path) -> None:
        self.filesystem, self.top = filesystem, filesystem.top
        root = filesystem.subvolume("@rootfs")
        (root / MODULES).mkdir(parents=True)
        (root / MODULES / "modules.dep").touch()
        (root / "lib").symlink_to("usr/lib")
        filesystem.snapshot("@rootfs", "@rootfs-blank", readonly=True)
        self.root = filesystem.mount(tmp_path / "root", "subvol=@rootfs")
        self.config = tmp_path / "config.toml"
        self.config.write_text(f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\nname = "root"\n')
        self.initrd = Initrd(tmp_path, filesystem.device)
        self.initrd.flags = "subvol=@rootfs"
        self.setup()

    def setup(self) -> None:
        with Manager(os.fsencode(self.config)) as manager:
            setup.run(manager.config, manager.machine, dry_run=False)

    def names(self) -> Names:
        return remedy.names_of_root(os.fsencode(self.root))

    def boots(self) -> tuple[str, str | None]:
        self.filesystem.umount(self.root)
        result = self.initrd.boot().result
        self.filesystem.mount(self.root, "subvol=@rootfs")
        return result.action, result.reason_code

    def obey(self, code: str) -> None:
        """Run the commands, the top level being at /mnt of a namespace."""
        found = remedy.of(code, self.names())
        assert found is not None
        commands = [word for word in found.commands if word != "impermanence setup"]
        script = " && ".join(commands).replace("/lib/modules/", f"{self.root}/usr/lib/modules/", 1)
        sh("unshare", "--mount", "--propagation", "private", "sh", "-ec", script)
        if len(commands) < len(found.commands):
            self.setup()


@pytest.fixture
def debian(filesystem: Filesystem, tmp_path: Path) -> Debian:
    return Debian(filesystem, tmp_path)


def test_names_of_this_machine(debian: Debian) -> None:
    names = debian.names()
    assert (names.volume, names.blank, names.archive) == ("@rootfs", "@rootfs-blank", "old_roots")
    assert names.device == debian.filesystem.device
    assert (names.kernel, names.modules) == (os.uname().release, "usr/lib/modules")
    found = remedy.of("blank-missing", names)
    assert found is not None and found.line == (
        f"take one again: mount -o subvolid=5 {names.device} /mnt && "
        "btrfs subvolume snapshot -r /mnt/@rootfs /mnt/@rootfs-blank && impermanence setup"
    )


def test_names_that_nobody_knows(debian: Debian, tmp_path: Path) -> None:
    assert remedy.names_of_root(os.fsencode(tmp_path)) == NO_NAMES, "no BTRFS"
    record = debian.top / ".impermanence/rollback.env"
    text = record.read_text()
    record.write_text("VERSION=9\n")
    names = debian.names()
    assert (names.volume, names.blank, names.archive) == ("@rootfs", "BLANK", "ARCHIVE"), "what runs is known"
    record.write_text(text + text[text.index("VOLUME=") :].replace("root", "home"))
    assert debian.names().blank == "BLANK", "it may be either"


def test_which_of_two_volumes_it_is(debian: Debian) -> None:
    """The program says it, and the commands are about that one."""
    home = debian.filesystem.subvolume("@home")
    debian.filesystem.snapshot("@home", "home-blank", readonly=True)
    where = debian.filesystem.mount(debian.root.parent / "home", "subvol=@home")
    debian.config.write_text(
        debian.config.read_text()
        + f'[[volume]]\nmountpoint = "{where}"\npath = "/home"\nname = "home"\nblank = "home-blank"\n'
    )
    debian.setup()
    assert home.exists()
    sh("btrfs", "property", "set", "-ts", debian.top / "home-blank", "ro", "false")
    with Manager(os.fsencode(debian.config)) as manager:
        decision = examine.next_boot(manager.machine)
        (finding,) = doctor.foretold(decision, remedy.names_of_machine(manager.machine, decision.volume))
    assert (decision.code, decision.volume) == ("blank-writable", "home")
    assert decision.advice is not None and "/mnt/home-blank ro true" in decision.advice
    assert finding.commands[1] == "btrfs property set -ts /mnt/home-blank ro true"
    assert debian.names().blank == "BLANK", "without the program nobody knows"


def missing(debian: Debian) -> None:
    sh("btrfs", "subvolume", "delete", debian.top / "@rootfs-blank")


def plain(debian: Debian) -> None:
    missing(debian)
    (debian.top / "@rootfs-blank").mkdir()


def writable(debian: Debian) -> None:
    sh("btrfs", "property", "set", "-ts", debian.top / "@rootfs-blank", "ro", "false")


def replaced(debian: Debian) -> None:
    missing(debian)
    debian.filesystem.snapshot("@rootfs", "@rootfs-blank", readonly=True)


def new_kernel(debian: Debian) -> None:
    """The running kernel's modules are in the root, and the blank is older."""
    blank = debian.top / "@rootfs-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    sh("rm", "-r", blank / MODULES)
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


def read_only(debian: Debian) -> None:
    sh("btrfs", "property", "set", "-f", "-ts", debian.top / "@rootfs", "ro", "true")


def no_archive(debian: Debian) -> None:
    (debian.top / "old_roots").rmdir()
    (debian.top / "old_roots").touch()


def state(debian: Debian) -> None:
    (debian.top / ".impermanence").rename(debian.top / "away")
    (debian.top / ".impermanence").mkdir()


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("blank-missing", missing),
        ("blank-not-subvolume", plain),
        ("blank-writable", writable),
        ("blank-replaced", replaced),
        ("blank-lacks-modules", new_kernel),
        ("volume-read-only", read_only),
        ("archive-not-directory", no_archive),
    ],
)
def test_what_is_said_mends_it(debian: Debian, code: str, spoil: object) -> None:
    assert callable(spoil)
    spoil(debian)
    assert debian.boots() == ("refused", code)
    debian.obey(code)
    assert debian.boots() == ("wiped", None)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_each_command_is_one_that_a_shell_reads(reason: object) -> None:
    assert isinstance(reason, type(REASONS[0]))
    hostile = Names(*(shlex.quote(f"a b;{number}'") for number in range(5)))
    found = remedy.of(reason.code, hostile)
    assert found is not None and "{" not in found.line
    for command in found.commands:
        assert shlex.split(command)[0] in {"mount", "btrfs", "mv", "cp", "ls", "impermanence", "journalctl"}
    assert remedy.of("a-new-word") is None and remedy.of(None) is None
