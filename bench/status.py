"""`impermanence status --json` as a whole process, as the package installs it.

Over a large volume, against `find -newer` over the same tree.  A thousand changes stand in 50 directories, as
programs leave them, and in 1,000, the worst case: then every change has tree blocks of its own.  The tree is
doubled with the changes as they are.

Over a small one, against an interpreter that loads what every such program needs: what is above it is
start-up and the cost of an entry.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from . import ground

FILES = ground.setting("FILES", 300_000)  # a hundred for each of the 1,000 directories, at least
CHANGES = 1_000
SMALL = 5_000
RUNS = 7
INTERPRETER = "/usr/bin/python3"
BARE = "import argparse, tomllib"
# The entry point of the package: nothing of the caller's environment is imported.
ENTRY = """\
#!{interpreter} -I
import sys
sys.path.insert(0, {package!r})
from impermanenced.cli.main import command
sys.exit(command())
"""


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("12G") as fs:
        program = entry(fs.directory / "impermanence")
        yield from small(fs, program)
        seed = fs.subvolume("seed")
        ground.fill(seed, FILES)
        files = f"{FILES // 1000}k files"
        volumes = [(f"{files}, 1k changes in {count} directories", count, *fs.volume(seed, f"in{count}"))
                   for count in (50, 1000)]  # fmt: skip
        ground.fill(seed, FILES, prefix="more")
        doubled = f"{2 * FILES // 1000}k files, 1k changes in 50 directories"
        volumes.append((doubled, 50, *fs.volume(seed, "double")))
        stamp = fs.directory / "stamp"
        stamp.touch()
        for _, directories, mountpoint, _ in volumes:
            ground.change(mountpoint, CHANGES, FILES, directories=directories)
        for data, _, mountpoint, config in volumes:
            for state in ("cold", "warm"):
                yield from ground.figures(
                    f"{data}, {state}",
                    functools.partial(timed, fs, state, *status(program, config)),
                    "find -newer",
                    functools.partial(timed, fs, state, "find", mountpoint, "-xdev", "-newer", stamp),
                    RUNS,
                )


def small(fs: ground.VolumeFacts, program: Path) -> Iterator[dict[str, object]]:
    seed = fs.subvolume("small-seed")
    ground.fill(seed, SMALL)
    mountpoint, config = fs.volume(seed, "small")
    ground.change(mountpoint, CHANGES, SMALL, directories=50)
    ground.cost(status(program, config))
    yield from ground.figures(
        f"{SMALL // 1000}k files, 1k changes",
        lambda: ground.cost(status(program, config)),
        f"python3 -c '{BARE}'",
        lambda: ground.cost((INTERPRETER, "-c", BARE)),
        3 * RUNS,
    )


def entry(path: Path) -> Path:
    package = str(Path(__file__).resolve().parent.parent)
    path.write_text(ENTRY.format(interpreter=INTERPRETER, package=package))
    path.chmod(0o755)
    return path


def status(program: Path, config: Path) -> tuple[str | Path, ...]:
    return program, "--config", config, "status", "--json"


def timed(fs: ground.VolumeFacts, state: str, *argv: str | Path) -> ground.Cost:
    if state == "cold":
        fs.cool()
    return ground.cost(argv)
