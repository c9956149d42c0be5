"""Each reason of the table is provoked, and told beforehand where it can be; the tenth boot leaves no more
behind than the first."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from impermanenced.boots.reasons import REASONS
from impermanenced.boots.records import NextRequest
from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach
from tests.shell.cuts import disturbed
from tests.shell.hook import REPOSITORY, ROOT, SANITIZED, Boot, Initrd, System, promote, uuid_of

BOOTS = 10


@dataclasses.dataclass
class Provoked:
    """What a boot is told, once the system is as it has to be for a reason."""

    cmdline: str = ""
    deny: str | None = None  # steps that fail
    mute: bool = False  # the kernel does not say which devices a filesystem has


Provoke = Callable[[System, contextlib.ExitStack], Provoked | None]
PROVOKE: dict[str, Provoke] = {}


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    def keep(provoke: Provoke) -> Provoke:
        PROVOKE[code] = provoke
        return provoke

    return keep


def by_words(code: str, cmdline: str) -> None:
    provokes(code)(lambda system, stack: Provoked(cmdline))


by_words("off-asked", "impermanence=off")
by_words("command-line", "impermanence=of")
by_words("other-filesystem", "root=zfs:tank")
by_words("no-device", "root=/dev/nothing-there")
by_words("mount-failed", "root=/dev/null")
by_words("old-root-missing", "impermanence=boot=7")


def by_denial(code: str, step: str) -> None:
    provokes(code)(lambda system, stack: Provoked(deny=step))


by_denial("state-not-made", "mkdir old_roots")
by_denial("not-staged", "snapshot ")
by_denial("no-plan", "rename .impermanence/staging/plan.new")
by_denial("not-exchanged", "rename .impermanence/staging/next.root")


@provokes("device-is-another")
def device_is_another(system: System, stack: contextlib.ExitStack) -> Provoked:
    return Provoked(mute=True)


@provokes("no-record")
def no_record(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "rollback.env").unlink()


@provokes("no-root")
def no_root(system: System, stack: contextlib.ExitStack) -> None:
    system.initrd.base = ""


@provokes("other-subvolume")
def other_subvolume(system: System, stack: contextlib.ExitStack) -> Provoked:
    system.filesystem.subvolume("other")
    return Provoked("rootflags=subvol=other")


@provokes("hibernation-image")
def hibernation_image(system: System, stack: contextlib.ExitStack) -> None:
    system.initrd.efivars.mkdir()
    (system.initrd.efivars / "HibernateLocation-8cf2644b-4b0b-428f-9387-6d876050dc67").touch()


@provokes("root-mounted")
def root_mounted(system: System, stack: contextlib.ExitStack) -> None:
    sysroot = system.filesystem.mount(system.filesystem.directory / "sysroot", "subvol=root-blank")
    system.initrd.sysroot = sysroot


@provokes("record-invalid")
def record_invalid(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "rollback.env").write_text("VERSION=2\n")


@contextlib.contextmanager
def second_device(system: System) -> Iterator[str]:
    image = system.filesystem.directory / "second.img"
    with open(image, "wb") as stream:
        stream.truncate(512 << 20)
    device = attach(image)
    try:
        yield device
    finally:
        if system.top in system.filesystem.mounts:
            system.filesystem.umount(system.top)
        subprocess.run(["btrfs", "device", "scan", "--forget", device], capture_output=True, check=False)
        detach(device, image)


@provokes("device-incomplete")
def device_incomplete(system: System, stack: contextlib.ExitStack) -> None:
    with second_device(system) as device:
        sh("btrfs", "device", "add", "-f", device, system.top)
        system.filesystem.sync()


@provokes("several-devices")
def several_devices(system: System, stack: contextlib.ExitStack) -> Provoked:
    fsid = sh("blkid", "-p", "-s", "UUID", "-o", "value", system.filesystem.device).strip()
    system.filesystem.umount(system.top)
    clone = system.filesystem.directory / "clone.img"
    shutil.copyfile(system.filesystem.image, clone)
    twin = attach(clone)
    stack.callback(detach, twin, clone)
    return Provoked(f"root=UUID={fsid}")


@provokes("filesystem-changed")
def filesystem_changed(system: System, stack: contextlib.ExitStack) -> None:
    system.write(fsid="6b1f0c1e-3c5a-4d0e-9a51-0d2f6c1f9a11")


@provokes("state-not-subvolume")
def state_not_subvolume(system: System, stack: contextlib.ExitStack) -> None:
    shutil.move(system.state, system.top / "away")
    system.state.mkdir()


@provokes("state-not-plain")
def state_not_plain(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "staging").touch()


@provokes("not-subvolume")
def not_subvolume(system: System, stack: contextlib.ExitStack) -> None:
    shutil.move(system.top / "root", system.top / "away")
    (system.top / "root").mkdir()


@provokes("link-in-path")
def link_in_path(system: System, stack: contextlib.ExitStack) -> None:
    (system.top / "old_roots").symlink_to("root-blank")


@provokes("volume-mounted")
def volume_mounted(system: System, stack: contextlib.ExitStack) -> None:
    system.filesystem.mount(system.filesystem.directory / "elsewhere", "subvol=root")


def read_only(path: Path) -> None:
    sh("btrfs", "property", "set", "-ts", path, "ro", "true")


@provokes("volume-read-only")
def volume_read_only(system: System, stack: contextlib.ExitStack) -> None:
    read_only(system.top / "root")


@provokes("place-read-only")
def place_read_only(system: System, stack: contextlib.ExitStack) -> None:
    read_only(system.filesystem.subvolume("old_roots"))


@provokes("archive-not-directory")
def archive_not_directory(system: System, stack: contextlib.ExitStack) -> None:
    (system.top / "old_roots").touch()


@provokes("last-record-invalid")
def last_record_invalid(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "boots").mkdir()
    (system.state / "boots/7.env").write_text("VERSION=2\n")


@provokes("plan-invalid")
def plan_invalid(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "staging").mkdir()
    (system.state / "staging/plan").write_text("VERSION=2\n")


@provokes("request-invalid")
def request_invalid(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "next").write_text("VERSION=1\nACTION=ke")


@provokes("numbers-used-up")
def numbers_used_up(system: System, stack: contextlib.ExitStack) -> None:
    (system.state / "boots").mkdir()
    (system.state / "boots/999999999.plan").touch()


@provokes("by-number")
def by_number(system: System, stack: contextlib.ExitStack) -> Provoked:
    number = sh("btrfs", "inspect-internal", "rootid", system.top / "root").strip()
    return Provoked(f"rootflags=subvolid={number}")


@provokes("by-link")
def by_link(system: System, stack: contextlib.ExitStack) -> Provoked:
    (system.top / "current").symlink_to("root")
    return Provoked("rootflags=subvol=current")


@provokes("blank-missing")
def blank_missing(system: System, stack: contextlib.ExitStack) -> None:
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")


@provokes("blank-not-subvolume")
def blank_not_subvolume(system: System, stack: contextlib.ExitStack) -> None:
    blank_missing(system, stack)
    (system.top / "root-blank").mkdir()


@provokes("blank-writable")
def blank_writable(system: System, stack: contextlib.ExitStack) -> None:
    sh("btrfs", "property", "set", "-ts", system.top / "root-blank", "ro", "false")


@provokes("blank-replaced")
def blank_replaced(system: System, stack: contextlib.ExitStack) -> None:
    blank_missing(system, stack)
    system.filesystem.snapshot("root", "root-blank", readonly=True)


@provokes("blank-lacks-path")
def blank_lacks_path(system: System, stack: contextlib.ExitStack) -> None:
    system.write(volumes=(ROOT._replace(require=(b"/bin/sh",)),))


def give_modules(root: Path) -> None:
    (root / "lib/modules" / os.uname().release).mkdir(parents=True)


@provokes("blank-lacks-modules")
def blank_lacks_modules(system: System, stack: contextlib.ExitStack) -> None:
    give_modules(system.top / "root")


@provokes("old-root-ambiguous")
def old_root_ambiguous(system: System, stack: contextlib.ExitStack) -> Provoked:
    system.initrd.boot()
    (old,) = (system.top / "old_roots").iterdir()
    system.filesystem.snapshot(f"old_roots/{old.name}", f"old_roots/{old.name.replace('0000', '1111')}")
    return Provoked("impermanence=boot=0")


@provokes("old-root-not-subvolume")
def old_root_not_subvolume(system: System, stack: contextlib.ExitStack) -> Provoked:
    system.initrd.boot()
    (old,) = (system.top / "old_roots").iterdir()
    shutil.move(old, system.top / "away")
    old.mkdir()
    return Provoked("impermanence=boot=0")


@provokes("old-root-lacks-path")
def old_root_lacks_path(system: System, stack: contextlib.ExitStack) -> Provoked:
    system.initrd.boot()
    blank_lacks_path(system, stack)
    return Provoked("impermanence=boot=0")


@provokes("old-root-lacks-modules")
def old_root_lacks_modules(system: System, stack: contextlib.ExitStack) -> Provoked:
    system.initrd.boot()
    give_modules(system.top / "root")
    return Provoked("impermanence=boot=0")


@provokes("not-writable")
def not_writable(system: System, stack: contextlib.ExitStack) -> None:
    system.filesystem.umount(system.top)
    sh("blockdev", "--setro", system.filesystem.device)
    stack.callback(sh, "blockdev", "--setrw", system.filesystem.device)


@provokes("not-recovered")
def not_recovered(system: System, stack: contextlib.ExitStack) -> Provoked:
    (system.state / "staging").mkdir()
    system.filesystem.snapshot("root-blank", ".impermanence/staging/left")
    return Provoked(deny="rename .impermanence/staging/left")


@provokes("not-put-aside")
def not_put_aside(system: System, stack: contextlib.ExitStack) -> Provoked:
    request = NextRequest("keep", "once")
    system.request(request)
    system.initrd.boot()
    system.request(request)
    return Provoked(deny="rename .impermanence/next")


@provokes("blank-before")
def blank_before(system: System, stack: contextlib.ExitStack) -> None:
    """As after a promotion that was cut: the record names the new blank, and the one before has the name."""
    promote(system)
    top = system.top
    (top / "root-blank").rename(top / "root-blank@next")
    (top / "root-blank@1").rename(top / "root-blank")


@pytest.fixture
def system(filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr(Initrd, "build", SANITIZED)
    return System(filesystem)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def boot(system: System, provoked: Provoked, tmp_path: Path) -> Boot:
    if provoked.deny is not None:
        wrap = disturbed(tmp_path, deny=provoked.deny)
    else:
        wrap = disturbed(tmp_path, mute=1) if provoked.mute else ()
    return system.initrd.boot(provoked.cmdline, wrap=wrap)


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.code)
def test_reason(system: System, tmp_path: Path, stack: contextlib.ExitStack, reason: object) -> None:
    assert isinstance(reason, type(REASONS[0]))
    life = uuid_of(system.top / "root")
    provoked = PROVOKE[reason.code](system, stack) or Provoked()
    if reason.foretold and not provoked.mute:
        decision, code = system.initrd.examine(provoked.cmdline)
        assert (decision.partition(":")[0], code) == (reason.result, reason.code)
    booted = boot(system, provoked, tmp_path)
    assert (booted.result.action, booted.result.reason_code) == (reason.result, reason.code), booted.said
    assert booted.result.reason in booted.said
    assert booted.status == 0
    assert not os.path.ismount(booted.run / "impermanence/top")
    if reason.foretold:
        check_no_residue(system, provoked, tmp_path, life)


def check_no_residue(system: System, provoked: Provoked, tmp_path: Path, life: str) -> None:
    """A permanent fault makes one record a boot at the most."""
    if system.top not in system.filesystem.mounts:
        return
    archived = system.archive() if (system.top / "old_roots").is_dir() else []
    for _ in range(BOOTS - 1):
        boot(system, provoked, tmp_path)
    assert archived == (system.archive() if (system.top / "old_roots").is_dir() else [])
    boots = system.state / "boots"
    names = [path.name for path in boots.iterdir()] if boots.is_dir() else []
    assert not [name for name in names if name.endswith(".plan") and name != "999999999.plan"]
    assert len(names) <= BOOTS + 2
    staging = system.state / "staging"
    assert not staging.is_dir() or {path.name for path in staging.iterdir()} <= {"plan"}


def test_every_reason_is_provoked() -> None:
    assert set(PROVOKE) == {reason.code for reason in REASONS}


def test_documents_are_made_from_the_table() -> None:
    made = sh(REPOSITORY / "tools/reasons.py", "markdown")
    assert made in (REPOSITORY / "docs/rollback.md").read_text()


def test_module_is_made_from_the_table() -> None:
    made = sh(REPOSITORY / "tools/reasons.py", "python")
    module = (REPOSITORY / "impermanenced/boots/reasons.py").read_text()
    assert made.split() == module.split()
