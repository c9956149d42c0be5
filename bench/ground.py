"""The filesystem that benches run on, and how they measure."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(sys.executable).parent  # the virtual environment's bin


def setting(name: str, default: int) -> int:
    """Of the environment, for a trial that is smaller than what is quoted."""
    return int(os.environ.get(f"BENCH_{name}", default))


def say(words: str) -> None:
    """Progress."""
    print(f"  {words}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def at_least(setting: Path, wanted: int) -> Iterator[None]:
    """A number that the kernel is told in a file of /proc/sys."""
    before = setting.read_text()
    setting.write_text(str(max(int(before), wanted)))
    try:
        yield
    finally:
        setting.write_text(before)


def sh(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


class VolumeFacts:
    """A fresh BTRFS on a loop device; the top level and single subvolumes are mounted below `directory`."""

    def __init__(self, directory: Path, device: str) -> None:
        self.directory = directory
        self.device = device
        self.mounts: list[tuple[Path, str]] = []
        self.top = self.mount("top", "subvolid=5")

    def mount(self, name: str, option: str) -> Path:
        where = self.directory / name
        where.mkdir(exist_ok=True)
        sh("mount", "-o", f"{option},noatime", self.device, where)
        self.mounts.append((where, option))
        return where

    def unmount(self) -> None:
        for where, _ in reversed(self.mounts):
            sh("umount", where)

    def cool(self) -> None:
        """As after a boot: nothing of this filesystem is in memory, and everything else is."""
        self.unmount()
        for where, option in self.mounts:
            sh("mount", "-o", f"{option},noatime", self.device, where)

    def subvolume(self, name: str) -> Path:
        sh("btrfs", "subvolume", "create", self.top / name)
        return self.top / name

    def uuid(self, name: str) -> str:
        shown = sh("btrfs", "subvolume", "show", self.top / name)
        return next(line.split()[-1] for line in shown.splitlines() if line.startswith("\tUUID:"))

    def fsid(self) -> str:
        return sh("btrfs", "filesystem", "show", self.top).partition("uuid: ")[2].split()[0]

    def volume(self, seed: Path, name: str) -> tuple[Path, Path]:
        """A volume made from a blank made from the seed: its mount point, and its configuration."""
        blank = f"{name}-blank"
        sh("btrfs", "subvolume", "snapshot", "-r", seed, self.top / blank)
        sh("btrfs", "subvolume", "snapshot", self.top / blank, self.top / name)
        mountpoint = self.mount(f"mount-{name}", f"subvol={name}")
        config = self.directory / f"{name}.toml"
        config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\nblank = "{blank}"\n')
        return mountpoint, config


@contextlib.contextmanager
def filesystem(size: str) -> Iterator[VolumeFacts]:
    with tempfile.TemporaryDirectory(prefix="impermanence-bench-", dir="/var/tmp") as path:
        directory = Path(path)
        sh("truncate", "-s", size, directory / "image")
        sh("mkfs.btrfs", "-q", directory / "image")
        device = sh("losetup", "--find", "--show", directory / "image").strip()
        try:
            ground = VolumeFacts(directory, device)
            try:
                yield ground
            finally:
                ground.unmount()
        finally:
            sh("losetup", "--detach", device)


def fill(directory: Path, files: int, *, prefix: str = "d") -> None:
    """Small files, a hundred to a directory, as in a system's /usr."""
    for number in range(-(-files // 100)):
        below = directory / f"{prefix}{number // 100}" / f"{number % 100}"
        below.mkdir(parents=True)
        for index in range(min(100, files - number * 100)):
            with open(below / f"file{index}", "w") as stream:
                stream.write(f"content of file {number} {index}\n" * (index % 7))


def change(root: Path, count: int, files: int, *, directories: int, turn: int | None = None) -> None:
    """Changes in so many directories, spread evenly: half rewritten, a quarter created, a quarter deleted.

    With a turn, 0 or 1, only in every second of these directories: what another turn leaves alone.
    """
    each = count // directories
    for number in range(count):
        place, index = number // each, number % each * (100 // each)
        if turn is not None and place % 2 != turn:
            continue
        at = place * (files // 100 // directories)
        directory = root / f"d{at // 100}" / f"{at % 100}"
        match number % 4:
            case 0 | 1:
                (directory / f"file{index}").write_text("changed\n")
            case 2:
                (directory / f"new{number}").write_text("new\n")
            case _:
                (directory / f"file{index}").unlink()


class Cost(NamedTuple):
    """What a process and its children took."""

    wall: float  # seconds
    processor: float  # seconds, of users and of the kernel: another program's work is not in it


def cost(argv: Sequence[str | Path]) -> Cost:
    """Of a whole process, its output thrown away."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def seconds(argv: Sequence[str | Path]) -> float:
    """Of a whole process, its output thrown away."""
    return cost(argv).wall


def paired(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[float, float]:
    """Medians of runs that take turns, so that a noisy machine is noisy for both."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return statistics.median(one for one, _ in pairs), statistics.median(two for _, two in pairs)


def figures(
    data: str, ours: Callable[[], Cost], peer: str, theirs: Callable[[], Cost], runs: int
) -> Iterator[dict[str, object]]:
    """The medians of two processes that take turns, by the clock and by what the processors did."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    for at, unit in enumerate(("s", "s of processor time")):
        mine, other = (statistics.median(pair[side][at] for pair in pairs) for side in (0, 1))
        yield {
            "data": data,
            "ours": round(mine, 3),
            "peer": peer,
            "theirs": round(other, 3),
            "ratio": round(other / mine, 2),
            "unit": unit,
        }
