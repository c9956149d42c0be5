"""`impermanence restore`: 10,000 small files and one of 1 GiB out of an old root, as a whole process.

Beside `cp -a --reflink=always` of the same tree.  Ours is on the disk before it has its name; cp has to be
followed by a sync for that, which is measured for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import ground

FILES = ground.setting("FILES", 10_000)
LARGE = ground.setting("LARGE", 1024)  # MiB
RUNS = ground.setting("RUNS", 7)
NAME = "2026-01-01_10:00:00"


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("12G") as fs:
        mountpoint, config = fs.volume(fs.subvolume("seed"), "root")
        (fs.top / "old_roots").mkdir()
        old = fs.top / "old_roots" / NAME
        ground.sh("btrfs", "subvolume", "snapshot", fs.top / "root-blank", old)
        ground.fill(old / "tree", FILES)
        large = f"of={old}/tree/large"
        ground.sh("dd", "if=/dev/urandom", large, "bs=1M", f"count={LARGE}", "status=none")
        ground.sh("sync", "--file-system", fs.top)
        yield from measured(fs, mountpoint, config, old)


def measured(
    fs: ground.VolumeFacts, mountpoint: Path, config: Path, old: Path
) -> Iterator[dict[str, object]]:
    count = 0

    def ours() -> ground.Cost:
        nonlocal count
        count += 1
        to = mountpoint / f"ours{count}"
        to.mkdir()
        program = ground.PROGRAMS / "impermanence"
        return ground.cost([program, "--config", config, "restore", "-b", NAME, "--to", to, "/tree"])

    def theirs() -> ground.Cost:
        copy = f"cp -a --reflink=always {old}/tree {mountpoint}/theirs{count} && sync -f {mountpoint}"
        return ground.cost(["sh", "-c", copy])

    ours(), theirs()  # the caches are warm for both
    data = f"{FILES} small files and one of {LARGE} MiB"
    return ground.figures(data, ours, "cp -a --reflink=always, and sync", theirs, RUNS)
