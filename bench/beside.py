"""The daemon beside much drift: the processor time of its start and its first minutes, and how soon it stops.

The blank has the package database and the units of this machine, and the drift is that of a packager, of a
person and of nobody that is known.  A program that is started anywhere on the machine costs the daemon a
look: measure on a quiet one.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from . import ground, service

PATHS = ground.setting("PATHS", 20_000)
SECONDS = ground.setting("SECONDS", 300)
OF_THE_MACHINE = ("etc", "var/lib/dpkg", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "usr/lib/systemd")
EACH = 5.0  # seconds between two writes


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, service.bus(fs.directory):
        fs.subvolume(".impermanence")
        root, config = fs.volume(a_system(fs.subvolume("seed")), "root")
        for place in ("opt", "home/alice", "usr/share", "var/lib"):
            ground.fill(root / place, PATHS // 4, prefix="drift")
        with service.daemon(fs.directory, config) as (ready, pid):
            at_start = service.processor(pid)
            use(root)
            minutes = service.processor(pid)
            before = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            stop = time.monotonic() - before
    data = f"{PATHS} paths of drift"
    yield figure(f"{data}: ready", ready, "s")
    yield figure(f"{data}: processor time of the start", at_start, "s")
    yield figure(f"{data}: processor time after {SECONDS} s", minutes, "s")
    yield figure(f"{data}: stop", stop, "s")


def a_system(seed: Path) -> Path:
    for name in OF_THE_MACHINE:
        if Path("/", name).is_dir():
            shutil.copytree(f"/{name}", seed / name, symlinks=True)
    for name in ("opt", "home/alice", "usr/share", "var/lib"):
        (seed / name).mkdir(parents=True, exist_ok=True)
    return seed


def use(root: Path) -> None:
    """What a machine does: a file of the system, a log that grows, a new file of a person."""
    end, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        (root / f"etc/busy{number % 7}").write_text(str(number))
        with open(root / "var/lib/log", "a") as stream:
            stream.write("a line\n")
        (root / f"home/alice/new{number}").write_text(str(number))
        number += 1
        time.sleep(EACH)


def figure(data: str, value: float, unit: str) -> dict[str, object]:
    return {
        "data": data,
        "ours": round(value, 3),
        "peer": None,
        "theirs": None,
        "ratio": None,
        "unit": unit,
    }
