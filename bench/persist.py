"""The copy of a tree into another subvolume, as `persist` and `restore` make it, against cp(1).

Both share the content on the disk.  Our process is measured as a whole, with the interpreter's start; what
compares the copy with its source comes on top of it, and cp has nothing like that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from . import ground

FILES = ground.setting("FILES", 10_000)
LARGE = ground.setting("LARGE", 1024)  # MiB
RUNS = ground.setting("RUNS", 7)

PROGRAM = """
import os, sys
from impermanenced import copying
source, name, target, as_name, check = map(os.fsencode, sys.argv[1:])
one, two = (os.open(path, os.O_RDONLY) for path in (source, target))
if check == b"verify":
    sys.exit(bool(copying.verify(one, name, two, as_name)))
assert copying.copy(one, name, two, as_name).lost == ()
"""


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("12G") as fs:
        source, target = fs.subvolume("source"), fs.subvolume("target")
        ground.fill(source / "tree", FILES)
        ground.sh(
            "dd", "if=/dev/urandom", f"of={source}/tree/large", "bs=1M", f"count={LARGE}", "status=none"
        )
        yield from measured(fs, source, target)


def measured(fs: ground.VolumeFacts, source: Path, target: Path) -> Iterator[dict[str, object]]:
    ground.sh("sync", "--file-system", fs.top)
    count = 0

    def ours(check: str = "copy") -> ground.Cost:
        nonlocal count
        count += check == "copy"
        argv = [source, "tree", target, f"ours{count}", check]
        return ground.cost([sys.executable, "-c", PROGRAM, *map(str, argv)])

    def theirs() -> ground.Cost:
        return ground.cost(["cp", "-a", "--reflink=always", source / "tree", target / f"theirs{count}"])

    ours(), theirs()  # the caches are warm for both
    ground.say(f"the copy is compared with its source in {ours('verify').wall:.2f} s")
    data = f"{FILES} small files and one of {LARGE} MiB"
    yield from ground.figures(data, ours, "cp -a --reflink=always", theirs, RUNS)
