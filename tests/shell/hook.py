"""Boots of the real program on a loop device: one call of `boot` is one initrd."""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack

from impermanenced import state
from impermanenced.boots import outcome, records
from impermanenced.boots.records import BootRecord, NextRequest, RollbackEnv, RollbackVolume
from tests.conftest import Filesystem, sh

REPOSITORY = Path(__file__).parent.parent.parent
INITRD = REPOSITORY / "initrd"
INSTALLED = "impermanence-rollback"  # as packages install it
SANITIZED = "impermanence-rollback.sanitized"  # stops at the first wrong access or undefined operation
BUILDS = (INSTALLED, SANITIZED)
TRACED = {"ASAN_OPTIONS": "detect_leaks=0"}  # leaks are looked for by ptrace(2), which is taken then
ROOT = RollbackVolume("root", b"root", b"root-blank")
HOME = RollbackVolume("home", b"home", b"home-blank")


@functools.cache
def built(target: str) -> Path:
    """What make builds under that name; one process of the tests builds, the others wait."""
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with open(REPOSITORY / "build/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sh("make", "--silent", f"build/{target}", cwd=REPOSITORY)
    return REPOSITORY / "build" / target


@dataclasses.dataclass(frozen=True)
class Boot:
    """What one run of the hook left in /run, and said."""

    status: int
    said: str
    result: BootRecord
    run: Path


class Initrd:
    """The program with a /run and a kernel command line of its own for every boot."""

    build = os.environ.get("ROLLBACK_BUILD", INSTALLED)  # of the tests that do not run with both

    def __init__(self, directory: Path, device: str) -> None:
        self.directory = directory
        self.device = device
        self.base = "BOOT_IMAGE=/vmlinuz root={device}"  # of every kernel command line
        self.flags = "subvol=root"  # what boots, unless a command line says it
        self.copy = directory / "rollback-copy.env"  # the record inside the initrd, if a test makes one
        self.efivars = directory / "efivars"
        self.sysroot: Path | None = None  # where the root will be mounted; None: below its /run
        self.boots = itertools.count(1)

    @property
    def program(self) -> Path:
        return built(self.build)

    def arguments(self, run: Path, cmdline: str) -> list[str]:
        run.mkdir(exist_ok=True)
        flags = "" if "rootflags=" in cmdline else f'rootflags="{self.flags}"'
        line = f"{self.base.format(device=self.device)} {flags} {cmdline} quiet\n"
        (run / "cmdline").write_bytes(os.fsencode(line))
        options: dict[str, str | Path] = {
            "--record": self.copy,
            "--run": run,
            "--sysroot": self.sysroot or run / "sysroot",
            "--cmdline": run / "cmdline",
            "--log": run / "log",
            "--efivars": self.efivars,
            "--wait": "0",
        }
        return [os.fspath(word) for pair in options.items() for word in pair]

    def boot(
        self,
        cmdline: str = "",
        *,
        run: Path | None = None,
        environment: Mapping[str, str] | None = None,
        extra: tuple[str, ...] = (),
        wrap: tuple[str | Path, ...] = (),
    ) -> Boot:
        run = run or self.directory / f"run{next(self.boots)}"
        result = subprocess.run(
            [*wrap, self.program, *self.arguments(run, cmdline), *extra],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(TRACED if wrap else {}), **(environment or {})},
        )
        log = (run / "log").read_text() if (run / "log").exists() else ""
        file = run / "impermanence/rollback.env"
        assert file.exists(), f"{result.returncode}\n{result.stdout}{result.stderr}{log}"
        words = log + result.stdout + result.stderr
        said = records.parse_record(file.read_bytes(), bytes(file))
        untroubled = (run / "impermanence" / os.fsdecode(state.AS_ASKED)).exists()
        assert untroubled == (outcome.of(said) is None), "logins are told of each trouble, and only of that"
        return Boot(result.returncode, words, said, run)

    def examine(self, cmdline: str = "", *, extra: tuple[str, ...] = ()) -> tuple[str, str | None]:
        """What the next boot would decide, and the word of the reason."""
        run = self.directory / f"run{next(self.boots)}"
        options = [*self.arguments(run, cmdline), *extra]
        result = subprocess.run(
            [self.program, "--examine", *options], capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, ""), result
        decision, *code = result.stdout.splitlines()
        return decision, code[0].removeprefix("REASON_CODE=") if code else None


def check(kind: str, path: Path, build: str = INSTALLED) -> subprocess.CompletedProcess[bytes]:
    """What the program reads in a file."""
    return subprocess.run([built(build), "--check", kind, path], capture_output=True, check=False)


class RollbackFields(TypedDict, total=False):
    """What a record says beside its volumes."""

    fsid: str | None
    device: bytes | None
    archive: bytes
    wipe: bool
    on_failure: str
    on_missing_blank: str


class RollbackChanges(RollbackFields, total=False):
    volumes: tuple[RollbackVolume, ...]


class System:
    """A filesystem laid out for the program: root (and home), their blanks, the state directory."""

    def __init__(
        self, filesystem: Filesystem, *volumes: RollbackVolume, **settings: Unpack[RollbackFields]
    ) -> None:
        self.filesystem = filesystem
        self.top = filesystem.top
        self.initrd = Initrd(filesystem.directory, filesystem.device)
        self.state = self.top / ".impermanence"
        for volume in volumes:
            self.make(volume)
        filesystem.subvolume(".impermanence")
        self.rollback = RollbackEnv(volumes=volumes or (ROOT,))._replace(**settings)
        if not volumes:
            self.make(ROOT)
        self.initrd.flags = f"subvol={os.fsdecode(self.rollback.volumes[0].subvolume)}"
        self.rollback = self.rollback._replace(
            volumes=tuple(self.with_uuid(volume) for volume in self.rollback.volumes)
        )
        self.write()

    def make(self, volume: RollbackVolume) -> None:
        live = self.filesystem.subvolume(os.fsdecode(volume.subvolume))
        (live / "etc").mkdir()
        (live / "etc/hostname").write_text(f"{volume.name}\n")
        if volume.blank:
            self.filesystem.snapshot(os.fsdecode(volume.subvolume), os.fsdecode(volume.blank), readonly=True)
        (live / "crud").write_text(f"crud of {volume.name}\n")

    def with_uuid(self, volume: RollbackVolume) -> RollbackVolume:
        if volume.blank is None:
            return volume
        return volume._replace(blank_uuid=uuid_of(self.top / os.fsdecode(volume.blank)))

    def write(self, **changes: Unpack[RollbackChanges]) -> None:
        self.rollback = self.rollback._replace(**changes)
        (self.state / "rollback.env").write_bytes(records.format_rollback(self.rollback))

    def request(self, request: NextRequest) -> None:
        (self.state / "next").write_bytes(records.format_next(request))

    def record(self, number: int) -> BootRecord:
        file = self.state / f"boots/{number}.env"
        return records.parse_record(file.read_bytes(), bytes(file))

    def numbers(self) -> list[int]:
        return sorted(int(file.stem) for file in self.state.glob("boots/*.env"))

    def archive(self) -> list[str]:
        directory = self.top / os.fsdecode(self.rollback.archive)
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []

    def dirty(self, words: str, volume: str = "root") -> None:
        (self.top / volume / words).write_text(words)


def uuid_of(path: Path) -> str:
    lines = sh("btrfs", "subvolume", "show", path).splitlines()
    return next(line.split()[1] for line in lines if line.startswith("\tUUID:"))


def promote(system: System) -> list[str]:
    """Leave it as the running system does when a second release is the blank; the UUIDs of both, it first."""
    top = system.top
    (volume,) = system.rollback.volumes
    system.filesystem.snapshot("root-blank", "next")
    (top / "next/etc/release").touch()
    (top / "root-blank").rename(top / "root-blank@1")
    (top / "next").rename(top / "root-blank")
    sh("btrfs", "property", "set", "-ts", top / "root-blank", "ro", "true")
    blanks = [uuid_of(top / "root-blank"), uuid_of(top / "root-blank@1")]
    changed = volume._replace(blank_uuid=blanks[0], before=b"root-blank@1", before_uuid=blanks[1])
    system.write(volumes=(changed,))
    return blanks
