"""What was adopted in this life of a volume: the original lies beneath the mount, and its copy is mounted.

From then on the copy changes, and what a program removes from it is beneath the mount alone.  That is no
loss, for everything was in the copy.

Hard facts
    Whatever changes an inode, or the names in a directory, sets its ctime, and nobody can set it back.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..boots.records.job import persisting, read_jobs
from ..errors import ImpermanenceError
from ..model import Volume
from ..state import JOBS, uuid_text
from ..volumes.machine import Machine


def adopted(machine: Machine, volume: Volume) -> Mapping[bytes, int]:
    """Return {path: when its last copy began, in nanoseconds since 1970} of what was adopted in this life.

    Where the records cannot be read, nothing was.
    """
    try:
        jobs = persisting(read_jobs(machine.in_state(JOBS))).values()
        life = uuid_text(machine.subvolume(volume.root_id).uuid)
    except (OSError, ImpermanenceError):
        return {}
    return {job.path: job.since for job in jobs if job.life == life}
