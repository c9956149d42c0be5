"""Trees of empty directories: the time until the watch stands, and its memory.

One mark is all that the daemon sets; the inotify observer walks the tree and needs a watch a directory.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from . import ground, service

DIRECTORIES = (10_000, ground.setting("DIRECTORIES", 500_000))
RUNS = 3
WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


def run() -> Iterator[dict[str, object]]:
    enough = ground.at_least(WATCHES, 2 * max(DIRECTORIES))
    with ground.filesystem("24G") as fs, service.bus(fs.directory), enough:
        fs.subvolume(".impermanence")
        for count in DIRECTORIES:
            root, config = fs.volume(made(fs, count), f"root{count}")
            yield from measured(fs, count, root, config)


def made(fs: ground.VolumeFacts, count: int) -> Path:
    ground.say(f"{count} directories are made")
    seed = fs.subvolume(f"seed{count}")
    for number in range(count // 1000):
        above = seed / str(number)
        above.mkdir()
        for index in range(999):
            (above / str(index)).mkdir()
    return seed


def measured(fs: ground.VolumeFacts, count: int, root: Path, config: Path) -> Iterator[dict[str, object]]:
    rounds = []
    for _ in range(RUNS):
        with service.daemon(fs.directory, config) as (seconds, pid):
            ours = seconds, service.resident(pid)
        with service.observer(root) as (seconds, pid):
            rounds.append((*ours, seconds, service.resident(pid)))
        ground.say("ours {:.2f} s, {:.1f} MB; the observer {:.2f} s, {:.1f} MB".format(*rounds[-1]))
    ready, memory, their_ready, their_memory = map(statistics.median, zip(*rounds, strict=True))
    for what, unit, one, two in (
        ("until the watch stands", "s", ready, their_ready),
        ("resident memory", "MB", memory, their_memory),
    ):
        yield {
            "data": f"{count} directories, {what}",
            "ours": round(one, 3),
            "peer": "watchdog inotify observer",
            "theirs": round(two, 3),
            "ratio": round(two / one, 2),
            "unit": unit,
        }
