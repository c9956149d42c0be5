"""`impermanence status --json` as a whole process, against `find -newer` over the same tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from . import ground

FILES = 300_000
CHANGES = 1_000
RUNS = 5


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("12G") as top:
        ground.sh("btrfs", "subvolume", "create", top / "seed")
        for name, files in (("root", FILES), ("double", 2 * FILES)):
            ground.fill(top / "seed", FILES, prefix="d" if files == FILES else "e")
            ground.sh("btrfs", "subvolume", "snapshot", "-r", top / "seed", top / f"{name}-blank")
            ground.sh("btrfs", "subvolume", "snapshot", top / f"{name}-blank", top / name)
        for name in ("root", "double"):
            yield from measure(top, name)


def measure(top: Path, name: str) -> Iterator[dict[str, object]]:
    config = ground.configuration(top, name, f"{name}-blank")
    mountpoint = top.parent / f"mount-{name}"
    with contextlib.ExitStack() as stack:
        stack.callback(ground.sh, "umount", mountpoint)
        stamp = top / f"stamp-{name}"
        stamp.touch()
        ground.change(mountpoint, CHANGES, FILES)
        status = [ground.PROGRAMS / "impermanence", "--config", config, "status", "--json"]
        find = ["find", mountpoint, "-xdev", "-newer", stamp]
        for caches in ("cold", "warm"):

            def timed(argv: list[str | Path], cold: bool = caches == "cold") -> float:
                if cold:
                    ground.drop_caches()
                return ground.seconds(argv)

            ours, theirs = ground.paired(lambda: timed(status), lambda: timed(find), RUNS)
            files = FILES if name == "root" else 2 * FILES
            yield {
                "data": f"{files // 1000}k files, 1k changes, {caches} caches",
                "ours": round(ours, 3),
                "peer": "find -newer",
                "theirs": round(theirs, 3),
                "ratio": round(theirs / ours, 1),
                "unit": "s",
            }
