"""`impermanence status --json` as a whole process, against `find -newer` over the same tree.

A thousand changes stand in 50 directories, as programs leave them, and in 1,000, the worst case:
then every change has tree blocks of its own.  The tree is doubled with the changes as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import ground

FILES = 300_000
CHANGES = 1_000
RUNS = 7


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("12G") as fs:
        seed = fs.subvolume("seed")
        ground.fill(seed, FILES)
        volumes = [(f"300k files, 1k changes in {count} directories", count, *fs.volume(seed, f"in{count}"))
                   for count in (50, 1000)]  # fmt: skip
        ground.fill(seed, FILES, prefix="more")
        volumes.append(("600k files, 1k changes in 50 directories", 50, *fs.volume(seed, "double")))
        stamp = fs.directory / "stamp"
        stamp.touch()
        for _, directories, mountpoint, _ in volumes:
            ground.change(mountpoint, CHANGES, FILES, directories=directories)
        for data, _, mountpoint, config in volumes:
            for state in ("cold", "warm"):
                yield measure(fs, f"{data}, {state}", mountpoint, config, stamp, cold=state == "cold")


def measure(
    fs: ground.VolumeFacts, data: str, mountpoint: Path, config: Path, stamp: Path, *, cold: bool
) -> dict[str, object]:
    def timed(*argv: str | Path) -> float:
        if cold:
            fs.cool()
        return ground.seconds(argv)

    ours, theirs = ground.paired(
        lambda: timed(ground.PROGRAMS / "impermanence", "--config", config, "status", "--json"),
        lambda: timed("find", mountpoint, "-xdev", "-newer", stamp),
        RUNS,
    )
    return {
        "data": data,
        "ours": round(ours, 3),
        "peer": "find -newer",
        "theirs": round(theirs, 3),
        "ratio": round(theirs / ours, 1),
        "unit": "s",
    }
