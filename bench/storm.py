"""A million events at once, with the kernel's default queue: nothing is lost without a word.

Two processes create, write, rename and delete while the daemon is stopped for a part of the time, so that its
queue overflows.  Afterwards the report is compared with a walk of the tree, which tells what `find` would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import ground, service

# Of each of two processes; a round makes, writes and renames a file, and mostly deletes it.
ROUNDS = ground.setting("ROUNDS", 50_000)
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
        fs.subvolume(".impermanence")
        root, config = fs.volume(fs.subvolume("seed"), "root")
        with service.daemon(fs.directory, config) as (_, pid):
            at_start = service.resident(pid)
            stormed(root, pid)
            ground.say("the storm is over")
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


def figure(data: str, value: object, unit: str) -> dict[str, object]:
    return {"data": data, "ours": value, "peer": None, "theirs": None, "ratio": None, "unit": unit}
