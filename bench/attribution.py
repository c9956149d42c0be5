"""Whose write was it?  Of 1,000 runs of `touch`, which live about a millisecond, how many are named?

The runs stand in a control group with the name of a unit.  No peer
names units.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import ground, service

RUNS = 1_000
UNIT = "bench-attribution.service"
TOUCH = 'echo 0 > "$1/cgroup.procs"; shift; for n in $(seq "$2"); do /usr/bin/touch "$1/file$n"; done'


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("4G") as fs, service.bus(fs.directory), control_group() as group:
        for state, burners in (("idle", 0), ("every core busy", os.cpu_count() or 1)):
            root, config = fs.volume(fs.subvolume(f"seed{burners}"), f"root{burners}")
            with service.daemon(fs.directory, config) as (_, pid), busy(burners):
                subprocess.run(["sh", "-c", TOUCH, "sh", group, root, str(RUNS)], check=True)
                service.until_quiet(pid)
                writers = [entry["writer"] or {} for entry in service.report(config)["entries"]]
            assert len(writers) == RUNS
            program = sum(writer.get("comm") == "touch" for writer in writers)
            both = sum(w.get("comm") == "touch" and w.get("unit") == UNIT for w in writers)
            for what, count in (("program", program), ("program and unit", both)):
                yield {
                    "data": f"{RUNS} runs of touch, {state}: {what} known",
                    "ours": round(100 * count / RUNS, 1),
                    "peer": None,
                    "theirs": None,
                    "ratio": None,
                    "unit": "%",
                }


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    burners = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextlib.contextmanager
def control_group() -> Iterator[Path]:
    """A group as systemd would make it, in the hierarchy that systemd uses on this machine."""
    hierarchies = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
    hierarchy = next(path for path in hierarchies if (path / "cgroup.procs").exists())
    made = [hierarchy / "system.slice", hierarchy / "system.slice" / UNIT]
    made = [path for path in made if not path.exists()]
    for path in made:
        path.mkdir()
    try:
        yield hierarchy / "system.slice" / UNIT
    finally:
        for path in reversed(made):
            path.rmdir()
