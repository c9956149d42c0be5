"""The daemon: how soon it is ready, and how much memory it takes, on a small tree and on a large one.

The peer for the time is watchdog's inotify observer, which has to walk the tree and set a watch a directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import ground, service

RUNS = 5


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, service.bus(fs.directory):
        for files in (10, 300_000):
            seed = fs.subvolume(f"seed{files}")
            ground.fill(seed, files)
            mountpoint, config = fs.volume(seed, f"root{files}")
            yield from measure(f"{files} files", mountpoint, config, fs.directory)


def measure(data: str, mountpoint: Path, config: Path, directory: Path) -> Iterator[dict[str, object]]:
    memory: list[tuple[float, float]] = []

    def ours() -> float:
        with service.daemon(directory, config) as (seconds, pid):
            after_start = service.resident(pid)
            service.report(config)
            memory.append((after_start, service.resident(pid)))
            return seconds

    def theirs() -> float:
        with service.observer(mountpoint) as (seconds, _):
            return seconds

    ready, peer = ground.paired(ours, theirs, RUNS)
    yield {
        "data": f"ready, {data}",
        "ours": round(ready, 3),
        "peer": "watchdog inotify observer",
        "theirs": round(peer, 3),
        "ratio": round(peer / ready, 1),
        "unit": "s",
    }
    for name, index in (("at start", 0), ("after a status", 1)):
        yield {
            "data": f"resident memory {name}, {data}",
            "ours": round(max(pair[index] for pair in memory), 1),
            "peer": None,
            "theirs": None,
            "ratio": None,
            "unit": "MB",
        }
