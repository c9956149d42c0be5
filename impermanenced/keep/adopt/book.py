"""The records of all jobs in the state directory, and the lock that lets one process work at a time.

Hard facts
    BTRFS notes the last name of a directory when it is opened (Linux 6.5): by a descriptor that was open
    before, a later name is not listed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from ...boots.records.job import ENDED, Job, Step, format_job, read_jobs
from ...errors import ImpermanenceError, NotSetUp
from ...kernel import libc
from ...state import JOBS, job_file
from ...system import atomic
from ...volumes.machine import Machine

NO_STATE = ("the machine is not set up: there is no state directory", "impermanence setup")


class Book:
    """The jobs; while it is open no other process makes one.  Close it, or use it in a `with`."""

    def __init__(self, machine: Machine) -> None:
        """Raises NotSetUp without a state directory, and ImpermanenceError if another process works."""
        if not machine.has_state():
            raise NotSetUp(*NO_STATE)
        self._directory = machine.in_state(JOBS)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._directory, 0o700)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._directory, flags)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise ImpermanenceError(
                "another command is adopting something right now", "wait until it has ended"
            ) from None

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest first.  Raises RecordError for one that cannot be understood."""
        return read_jobs(self._directory)

    def next_number(self) -> int:
        """Return the number of the next job."""
        return max((job.number for job in self.jobs()), default=0) + 1

    def save(self, job: Job) -> Job:
        """Write a job down, whole and on the disk, and return it."""
        atomic.replace(self._directory + b"/" + job_file(job.number), format_job(job))
        return job

    def forget(self, job: Job) -> None:
        """Remove the record of a job that has ended."""
        os.unlink(job_file(job.number), dir_fd=self._fd)
        libc.syncfs(self._fd)

    def unfinished(self) -> list[Job]:
        """Return the jobs that were cut, the oldest first."""
        return [job for job in self.jobs() if job.step not in ENDED]


def last_done(jobs: list[Job]) -> Job | None:
    """Return the last job that was done and not taken back, and is no taking back itself; or None."""
    undone = {job.undoes for job in jobs if job.step is Step.DONE}
    for job in reversed(jobs):
        if job.step is Step.DONE and job.number not in undone and not job.undoes:
            return job
    return None
