"""What is put into the root before its system starts: the second run of the program."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.keep import units
from tests.conftest import Filesystem, sh
from tests.shell.hook import BUILDS, TRACED, built, check

ID = "0123456789abcdef0123456789abcdef\n"


class Early:
    """A mounted root beside a persist volume, and the list of what comes first."""

    def __init__(self, filesystem: Filesystem, build: str) -> None:
        self.filesystem = filesystem
        self.build = build
        self.run = filesystem.directory / "run"
        (self.run / "impermanence").mkdir(parents=True)
        self.sysroot = filesystem.directory / "sysroot"
        self.root = filesystem.subvolume("root")
        self.persist = filesystem.subvolume("persist")
        for directory in (self.root, self.persist):
            (directory / "etc").mkdir()
        (self.persist / "etc/machine-id").write_text(ID)
        self.fsid = sh("blkid", "-p", "-s", "UUID", "-o", "value", filesystem.device).strip()

    def start(self, *lines: str, options: str = "subvol=root", fsid: str | None = None) -> str:
        """Mount the root, run the program, and return what it said."""
        words = "\n".join(["VERSION=1", f"FSID={fsid or self.fsid}", *lines, ""])
        (self.run / "impermanence/early").write_text(words)
        if self.sysroot not in self.filesystem.mounts:
            self.filesystem.umount(self.filesystem.top)  # the first mount of a boot decides how it is mounted
            self.filesystem.mount(self.sysroot, options)
        return self.again()

    def again(self, **moment: int) -> str:
        """Run it once more, disturbed at one of its steps where one is named; what it said."""
        log, turns = self.run / "log", self.run / "turns"
        log.unlink(missing_ok=True)
        argv = ["--early", "--sysroot", str(self.sysroot), "--run", str(self.run), "--log", str(log)]
        words = [f"{key}={value}" for key, value in moment.items()]
        wrap = [str(one) for one in (built("disturb"), turns, self.sysroot, log, *words, "--") if words]
        environment = {**os.environ, **(TRACED if words else {})}
        result = subprocess.run(
            [*wrap, str(built(self.build)), *argv],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert result.returncode == 0 and not result.stdout, result
        assert not os.path.ismount(self.run / "impermanence/top")
        return (log.read_text() if log.exists() else "") + result.stderr

    def source(self, path: str) -> str:
        """Where a mount comes from, or "" if nothing is mounted there."""
        for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            words = line.split()
            if words[4] == os.fspath(self.sysroot / path):
                return f"{words[3]} {words[5]}"
        return ""


@pytest.fixture(params=BUILDS)
def early(filesystem: Filesystem, request: pytest.FixtureRequest) -> Iterator[Early]:
    yield Early(filesystem, request.param)


def place(path: str, kind: str = "directory", *more: str) -> list[str]:
    return [f"PLACE={path}", f"KIND={kind}", *more]


@pytest.mark.parametrize("options", ["subvol=root", "subvol=root,ro"])
def test_the_id_is_there_before_the_system_starts(early: Early, options: str) -> None:
    """Most initrds mount the root read-only, and a blank may have no file for the mount."""
    lines = place("/etc/machine-id", "file", "MODE=0444", "SOURCE=persist/etc/machine-id")
    said = early.start(*lines, options=options)
    assert said == ""
    assert (early.sysroot / "etc/machine-id").read_text() == ID
    assert early.source("etc/machine-id") == "/persist/etc/machine-id rw,relatime"
    flags = os.statvfs(early.sysroot).f_flag
    assert bool(flags & os.ST_RDONLY) == ("ro" in options.split(",")), "the root stays as it was mounted"
    with open(early.sysroot / "etc/machine-id", "w") as stream:  # PID 1 writes it on a first boot
        stream.write("uninitialized\n")


def test_directories_files_and_links(early: Early) -> None:
    (early.persist / "var/log").mkdir(parents=True)
    (early.root / "opt").mkdir(mode=0o711)
    name = "caf\xe9 \udcff\n%"
    (early.persist / "var" / name).mkdir()
    escaped = "caf%C3%A9 %FF%0A%25"
    said = early.start(
        *place("/opt", "directory", "MODE=0700"),
        *place("/var", "directory", "MODE=0755"),
        *place("/var/keys", "directory", "MODE=2750", "OWNER=1000", "GROUP=107"),
        *place("/var/log", "directory", "SOURCE=persist/var/log", "OPTIONS=noexec,nosuid,nodev,noatime"),
        *place("/var/keys/file", "file", "MODE=0640", "OWNER=5", "GROUP=6"),
        *place("/etc/link", "link", "OWNER=1000", "GROUP=1000", "TARGET=/persist/etc/link"),
        *place(f"/var/{escaped}", "directory", f"SOURCE=persist/var/{escaped}"),
    )
    assert said == ""
    facts = [os.lstat(early.sysroot / path) for path in ("opt", "var/keys", "var/keys/file", "etc/link")]
    assert [(one.st_mode & 0o7777, one.st_uid, one.st_gid) for one in facts] == [
        (0o711, 0, 0), (0o2750, 1000, 107), (0o640, 5, 6), (0o777, 1000, 1000),
    ]  # fmt: skip
    assert os.readlink(early.sysroot / "etc/link") == "/persist/etc/link"
    assert early.source("var/log") == "/persist/var/log rw,nosuid,nodev,noexec,noatime"
    assert os.path.ismount(early.sysroot / "var" / name)
    assert early.again() == "", "what is there stays as it is"


def test_what_cannot_be_done_is_said_and_the_rest_is_done(early: Early) -> None:
    (early.persist / "etc/directory").mkdir()
    (early.root / "etc/linked").symlink_to("/tmp")
    (early.persist / "etc/a-link").symlink_to("/etc/shadow")
    said = early.start(
        *place("/etc/missing", "file", "SOURCE=persist/etc/missing"),
        *place("/etc/directory", "file", "SOURCE=persist/etc/directory"),
        *place("/etc/linked/x", "directory"),
        *place("/etc/linked", "directory", "SOURCE=persist/etc/directory"),
        *place("/etc/a-link", "file", "SOURCE=persist/etc/a-link"),
        *place("/absent/x", "directory"),
        *place("/etc/machine-id", "file", "SOURCE=persist/etc/machine-id"),
    )
    for words in (
        "/etc/missing is not there before the system starts, its source persist/etc/missing: No such file",
        "/etc/directory is not there before the system starts, its source persist/etc/directory: File exists",
        "/etc/linked/x is not there before the system starts, it cannot be made: Too many levels",
        "/etc/linked is not there before the system starts, the place: Not a directory",
        "/etc/a-link is not there before the system starts, its source persist/etc/a-link: File exists",
        "/absent/x is not there before the system starts, it cannot be made: No such file",
    ):
        assert words in said
    assert said.count("\n") == 6
    assert (early.sysroot / "etc/machine-id").read_text() == ID
    assert not (early.sysroot / "etc/missing").exists(), "nothing empty is left where a mount belongs"


@pytest.mark.parametrize("how", ["fail", "signal"])
def test_whichever_step_fails_the_boot_goes_on_and_the_next_run_does_the_rest(early: Early, how: str) -> None:
    """A step is a system call that changes something; a signal is a fault of the program itself."""
    (early.persist / "var/log").mkdir(parents=True)
    early.start("PLACE=/none/none", "KIND=directory")
    (early.run / "impermanence/early").write_text(
        "\n".join(
            [
                "VERSION=1",
                f"FSID={early.fsid}",
                *place("/etc/machine-id", "file", "SOURCE=persist/etc/machine-id"),
                *place("/var", "directory"),
                *place("/var/log", "directory", "SOURCE=persist/var/log"),
                *place("/etc/link", "link", "TARGET=/persist/etc/link"),
                "",
            ]
        )
    )
    early.again(fail=10_000)
    steps = len((early.run / "turns").read_text().splitlines())
    assert steps > 5
    for step in range(1, steps + 1):
        for mounted in ("etc/machine-id", "var/log"):
            if early.source(mounted):
                sh("umount", early.sysroot / mounted)
        for made in ("etc/machine-id", "etc/link"):
            (early.sysroot / made).unlink(missing_ok=True)
        sh("rm", "-rf", early.sysroot / "var")
        early.again(**{how: step})
        early.again()
        assert early.source("etc/machine-id") and early.source("var/log")
        assert (early.sysroot / "etc/machine-id").read_text() == ID
        assert os.readlink(early.sysroot / "etc/link") == "/persist/etc/link"


def test_another_filesystem_gets_nothing(early: Early) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    said = early.start(*place("/etc/machine-id", "file", "SOURCE=persist/etc/machine-id"), fsid=other)
    assert "nothing is put into the root" in said and other in said
    assert not (early.sysroot / "etc/machine-id").exists()


def test_no_list_is_no_error(early: Early) -> None:
    early.filesystem.mount(early.sysroot, "subvol=root")
    assert early.again() == ""


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["PLACE=etc/x", "KIND=file"], "line 3: PLACE is not of the right form"),
        (["PLACE=/", "KIND=directory"], "line 3: PLACE is not"),
        (["PLACE=/a/../b", "KIND=directory"], "line 3: PLACE is not"),
        (["PLACE=/a//b", "KIND=directory"], "line 3: PLACE is not"),
        (["PLACE=/a/.", "KIND=directory"], "line 3: PLACE is not"),
        (["PLACE=/a", "KIND=fifo"], "line 4: KIND is not"),
        (["PLACE=/a"], "a has no KIND"),
        (["PLACE=/a", "KIND=file", "KIND=file"], "line 5: KIND for the second time"),
        (["PLACE=/a", "KIND=link"], "a has a TARGET and is no link"),
        (["PLACE=/a", "KIND=file", "TARGET=/b"], "a has a TARGET and is no link"),
        (["PLACE=/a", "KIND=link", "TARGET=/b", "SOURCE=c"], "a has a TARGET and is no link"),
        (["PLACE=/a", "KIND=file", "MODE=755"], "line 5: MODE is not"),
        (["PLACE=/a", "KIND=file", "MODE=0888"], "line 5: MODE is not"),
        (["PLACE=/a", "KIND=file", "OWNER=4294967295"], "line 5: OWNER is not"),
        (["PLACE=/a", "KIND=file", "OWNER=-1"], "line 5: OWNER is not"),
        (["PLACE=/a", "KIND=file", "SOURCE=/persist"], "line 5: SOURCE is not"),
        (["PLACE=/a", "KIND=file", "SOURCE=a/../../b"], "line 5: SOURCE is not"),
        (["PLACE=/a", "KIND=file", "OPTIONS="], "line 5: OPTIONS is not"),
        (["KIND=file"], "line 3: KIND is unknown here"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_understood_is_not_obeyed(tmp_path: Path, lines: list[str], fault: str) -> None:
    file = tmp_path / "early"
    file.write_text("\n".join(["VERSION=1", "FSID=00000000-0000-4000-8000-000000000000", *lines, ""]))
    for build in BUILDS:
        result = check("early", file, build)
        assert result.returncode == 1
        assert fault in result.stderr.decode()


def test_no_bytes_of_a_list_or_manifest_break_the_program(tmp_path: Path) -> None:
    """Stopped by the sanitizers, it would end otherwise than with a word."""
    chance = random.Random(13)
    early = "VERSION=1\nFSID=00000000-0000-4000-8000-000000000000\n" + "\n".join(
        [*place("/a%FF", "file", "MODE=0644", "OWNER=0", "SOURCE=p/a%FF", "OPTIONS=ro,noexec"), ""]
    )
    manifest = units.manifest({"early": b"", "units/a.mount": b"x", "units/a.d/b": b""}).decode()
    file = tmp_path / "file"
    for kind, good in (("early", early), ("manifest", manifest)) * 30:
        content = bytearray(good.encode())
        for _ in range(chance.randrange(1, 6)):
            where = chance.randrange(len(content))
            content[where : where + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
        file.write_bytes(content)
        result = check(kind, file, BUILDS[1])
        assert result.returncode in (0, 1)
        assert b"Sanitizer" not in result.stderr and b"runtime error" not in result.stderr


def test_a_wrong_list_changes_nothing(early: Early) -> None:
    said = early.start(*place("/good"), "KIND=file")
    assert "nothing is put into the root: " in said
    assert not (early.sysroot / "good").exists()
