"""A million events at once, with the kernel's default queue: nothing is lost without a word.

Two processes create, write, rename and delete while the daemon is stopped for a part of the time, so that its
queue overflows.  Afterwards the report is compared with a walk of the tree.  Then ten minutes of random load.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import ground, service

ROUNDS = 50_000  # of each of two processes; a round makes, writes and renames a file, and mostly deletes it
MINUTES = 10.0
STORM = """
import os, sys
root, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    if number % 1000 == 0:
        below = f"{root}/{name}{number // 1000}"
        os.mkdir(below)
    path = f"{below}/{number}"
    for turn in range(2):
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        os.write(fd, b"x" * 100)
        os.fchmod(fd, 0o600)
        os.close(fd)
    os.rename(path, path + "-renamed")
    if number % 10:
        os.unlink(path + "-renamed")
"""
# That a round causes before the kernel merges any: create, 2 x (modify, attrib, close), rename, delete.
EVENTS = 10


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, service.bus(fs.directory):
        root, config = fs.volume(fs.subvolume("seed"), "root")
        with service.daemon(fs.directory, config) as (_, pid):
            at_start = service.resident(pid)
            stormed(root, pid)
            cost = service.until_quiet(pid)
            after = service.resident(pid)
            report = service.report(config)
            paths = {entry["path"] for entry in report["entries"]}
            there = set(walk(root))
            events = 2 * ROUNDS * EVENTS
            data = f"storm of {events} events"
            yield figure(f"{data}: overflows that the report tells of", report["overflows"], "times")
            yield figure(f"{data}: paths wrongly reported or missing", len(paths ^ there), f"of {len(there)}")
            yield figure(f"{data}: processor time of the daemon", round(cost / events * 1e6, 2), "us/event")
            yield figure(f"{data}: resident memory at start", round(at_start, 1), "MB")
            yield figure(f"{data}: resident memory after it", round(after, 1), "MB")
            yield figure(f"{data}: resident memory after a report", round(service.resident(pid), 1), "MB")
        yield from soak(fs)


def stormed(root: Path, pid: int) -> None:
    """The daemon is stopped while the first rounds fill its queue several times over."""
    argv: list[str | Path] = [sys.executable, "-c", STORM, root]
    os.kill(pid, signal.SIGSTOP)
    writers = [subprocess.Popen([*argv, name, str(ROUNDS)]) for name in ("one", "two")]
    while not (root / "one5").exists():
        time.sleep(0.05)
    os.kill(pid, signal.SIGCONT)
    for writer in writers:
        assert writer.wait() == 0


def walk(root: Path) -> Iterator[str]:
    for directory, directories, files in os.walk(root):
        for name in (*directories, *files):
            yield "/" + os.path.relpath(os.path.join(directory, name), root)


def soak(fs: ground.Ground) -> Iterator[dict[str, object]]:
    root, config = fs.volume(fs.subvolume("quiet"), "soaked")
    chance = random.Random(1)
    with service.daemon(fs.directory, config) as (_, pid):
        samples: list[tuple[float, int, int]] = []
        end = time.monotonic() + MINUTES * 60
        while time.monotonic() < end:
            for _ in range(chance.randrange(300)):
                step(root, chance)
            if chance.random() < 0.1:
                service.report(config)
            time.sleep(chance.random())
            samples.append((service.resident(pid), service.descriptors(pid), service.threads(pid)))
        tenth = max(1, len(samples) // 10)
        for index, (what, unit) in enumerate(
            (("resident memory", "MB"), ("descriptors", "open"), ("threads", "running"))
        ):
            early = max(sample[index] for sample in samples[tenth : 3 * tenth])
            late = max(sample[index] for sample in samples[-2 * tenth :])
            yield {
                "data": f"{MINUTES:g} minutes of random load, {what}: the end against the beginning",
                "ours": round(late, 1),
                "peer": None,
                "theirs": round(early, 1),
                "ratio": round(late / early, 3),
                "unit": unit,
            }


def step(root: Path, chance: random.Random) -> None:
    """Something is made, changed, moved or deleted in a tree that stays of one size."""
    path = root / f"d{chance.randrange(20)}" / f"f{chance.randrange(200)}"
    path.parent.mkdir(exist_ok=True)
    match chance.randrange(5):
        case 0:
            path.unlink(missing_ok=True)
        case 1 if path.exists():
            path.rename(path.with_name(f"f{chance.randrange(200)}"))
        case 2:
            subprocess.run(["touch", path], check=True)
        case _:
            path.write_bytes(chance.randbytes(chance.randrange(5000)))


def figure(data: str, value: object, unit: str) -> dict[str, object]:
    return {"data": data, "ours": value, "peer": None, "theirs": None, "ratio": None, "unit": unit}
