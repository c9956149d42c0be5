"""Boots of the real hook on a loop device: one call of `boot` is one initrd."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack

from impermanenced.boots import records
from impermanenced.boots.records import BootRecord, NextRequest, RollbackEnv, RollbackVolume
from tests.conftest import Filesystem, sh

INITRD = Path(__file__).parent.parent.parent / "initrd"
HOOK = INITRD / "impermanence-rollback"
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
ROOT = RollbackVolume("root", b"root", b"root-blank")
HOME = RollbackVolume("home", b"home", b"home-blank")


@dataclasses.dataclass(frozen=True)
class Boot:
    """What one run of the hook left in /run, and said."""

    status: int
    said: str
    result: BootRecord
    run: Path


class Initrd:
    """The hook with a /run and a kernel command line of its own for every boot."""

    hook = HOOK  # has no helper beside it

    def __init__(self, directory: Path, device: str) -> None:
        self.directory = directory
        self.device = device
        self.copy = directory / "rollback-copy.env"  # the record inside the initrd, if a test makes one
        self.efivars = directory / "efivars"
        self.boots = itertools.count(1)

    def arguments(self, run: Path, cmdline: str) -> list[str]:
        run.mkdir(exist_ok=True)
        (run / "cmdline").write_text(f"BOOT_IMAGE=/vmlinuz root={self.device} {cmdline} quiet\n")
        options: dict[str, str | Path] = {
            "--record": self.copy,
            "--run": run,
            "--sysroot": run / "sysroot",
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
        shell: str = "dash",
        run: Path | None = None,
        environment: Mapping[str, str] | None = None,
        extra: tuple[str, ...] = (),
    ) -> Boot:
        run = run or self.directory / f"run{next(self.boots)}"
        result = subprocess.run(
            [*SHELLS[shell], os.fspath(self.hook), *self.arguments(run, cmdline), *extra],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        log = (run / "log").read_text() if (run / "log").exists() else ""
        file = run / "impermanence/rollback.env"
        assert file.exists(), f"{result.returncode}\n{result.stdout}{result.stderr}{log}"
        words = log + result.stdout + result.stderr
        return Boot(result.returncode, words, records.parse_record(file.read_bytes(), bytes(file)), run)


def check(kind: str, path: Path, shell: str = "dash") -> subprocess.CompletedProcess[bytes]:
    """What the hook reads in a file."""
    return subprocess.run([*SHELLS[shell], HOOK, "--check", kind, path], capture_output=True, check=False)


class RollbackFields(TypedDict, total=False):
    """What a record says beside its volumes."""

    fsid: str | None
    archive: bytes
    wipe: bool
    on_failure: str
    on_missing_blank: str


class RollbackChanges(RollbackFields, total=False):
    volumes: tuple[RollbackVolume, ...]


class System:
    """A filesystem laid out for the hook: root (and home), their blanks, the state directory."""

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
        self.rollback = dataclasses.replace(RollbackEnv(volumes=volumes or (ROOT,)), **settings)
        if not volumes:
            self.make(ROOT)
        self.rollback = dataclasses.replace(
            self.rollback, volumes=tuple(self.with_uuid(volume) for volume in self.rollback.volumes)
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
        return dataclasses.replace(volume, blank_uuid=uuid_of(self.top / os.fsdecode(volume.blank)))

    def write(self, **changes: Unpack[RollbackChanges]) -> None:
        self.rollback = dataclasses.replace(self.rollback, **changes)
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
