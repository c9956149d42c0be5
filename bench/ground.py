"""The filesystem that benches run on, and how they measure."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PROGRAMS = Path(sys.executable).parent  # the virtual environment's bin


def sh(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def filesystem(size: str) -> Iterator[Path]:
    """The top level of a fresh BTRFS on a loop device."""
    with tempfile.TemporaryDirectory(prefix="impermanence-bench-", dir="/var/tmp") as directory:
        image, top = Path(directory) / "image", Path(directory) / "top"
        top.mkdir()
        sh("truncate", "-s", size, image)
        sh("mkfs.btrfs", "-q", image)
        device = sh("losetup", "--find", "--show", image).strip()
        try:
            sh("mount", "-o", "subvolid=5,noatime", device, top)
            try:
                yield top
            finally:
                sh("umount", "--recursive", top)
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


def change(root: Path, count: int, files: int) -> None:
    """As many changes, spread evenly: half rewritten, a quarter created, a quarter deleted."""
    step = files // count
    for number in range(count):
        at = number * step
        directory = root / f"d{at // 10000}" / f"{at // 100 % 100}"
        match number % 4:
            case 0 | 1:
                (directory / f"file{at % 100}").write_text("changed\n")
            case 2:
                (directory / f"new{number}").write_text("new\n")
            case _:
                (directory / f"file{at % 100}").unlink()


def configuration(top: Path, root: str, blank: str) -> Path:
    path = top.parent / f"{root}.toml"
    mountpoint = top.parent / f"mount-{root}"
    mountpoint.mkdir(exist_ok=True)
    device = sh("findmnt", "--noheadings", "--output", "SOURCE", top).split("[")[0].strip()
    sh("mount", "-o", f"subvol={root},noatime", device, mountpoint)
    path.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\nblank = "{blank}"\n')
    return path


def drop_caches() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def seconds(argv: Sequence[str | Path]) -> float:
    """Of a whole process, its output thrown away."""
    before = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - before


def paired(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[float, float]:
    """Medians of runs that take turns, so that a noisy machine is noisy for both."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return statistics.median(one for one, _ in pairs), statistics.median(two for _, two in pairs)
