"""The document of `persist`, `unpersist`, `undo` and `ignore` with --json."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots.records.job import Job
from ..keep.adopt.persist import Outlook
from ..text import time_to_text
from .fields import VERSION, Object, path_fields

Done = tuple[Job, Sequence[str]]  # a job, and what a person has to know


def jobs_to_json(
    jobs: Sequence[Done],
    recovered: Sequence[Done],
    outlooks: Sequence[Outlook] = (),
    *,
    dry_run: bool = False,
) -> Object:
    """Return the object of what was done, what earlier jobs that were cut have come to, and what would be
    done.
    """
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "jobs": [_job(*one) for one in jobs],
        "recovered": [_job(*one) for one in recovered],
        "would": [_outlook(one) for one in outlooks],
    }


def _job(job: Job, notes: Sequence[str]) -> Object:
    about: Object = {}
    if job.path:
        about = {**path_fields(job.path), **path_fields(job.source, "source"), "method": job.method}
    return {
        "number": job.number,
        "action": job.action.value,
        "state": job.step.value,
        "time": time_to_text(job.time),
        "file": job.file or None,
        "stopped": list(job.stopped),
        "undoes": job.undoes or None,
        "notes": list(notes),
        **about,
    }


def _outlook(outlook: Outlook) -> Object:
    return {
        **path_fields(outlook.request.path),
        **path_fields(outlook.source, "source"),
        "files": outlook.size.files,
        "bytes": outlook.size.size,
        "shared": outlook.shared,
        "method": outlook.request.method,
        "units": list(outlook.units),
    }
