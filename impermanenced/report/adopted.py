"""What was adopted in this life of a volume: the original lies beneath the mount, and its copy is mounted.

From then on the copy changes, and what a program removes from it is beneath the mount alone.  That is no
loss, for everything was in the copy.

Hard facts
    Whatever changes an inode, or the names in a directory, sets its ctime, and nobody can set it back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import ImpermanenceError
from ..lazy import Deferred
from ..model import Volume
from ..state import JOBS, uuid_text
from ..volumes.machine import Machine

_records = Deferred("impermanenced.boots.records.job")


def adopted(machine: Machine, volume: Volume) -> Mapping[bytes, int]:
    """Return {path: when its last copy began, in nanoseconds since 1970} of what was adopted in this life.

    Where the records cannot be read, nothing was.
    """
    try:
        directory = machine.in_state(JOBS)
        if not os.path.lexists(directory):  # nothing was ever adopted
            return {}
        jobs = _records.persisting(_records.read_jobs(directory)).values()
        life = uuid_text(machine.subvolume(volume.root_id).uuid)
    except (OSError, ImpermanenceError):
        return {}
    return {job.path: job.since for job in jobs if job.life == life}
