"""The documents about what nothing declares in the persist volumes."""

from __future__ import annotations

from ..keep.strays import Found, Stray
from ..keep.tidy import Done, Kept, Plan
from ..text import time_to_text
from .fields import VERSION, Object, path_fields


def strays_to_json(found: Found | None) -> Object:
    """Return the part of `status --persist --json` about strays; None: they were not looked for."""
    if found is None:
        return {"strays": None, "strays_complete": False}
    return {"strays": [stray_to_json(one) for one in found.strays], "strays_complete": found.complete}


def stray_to_json(one: Stray) -> Object:
    """Return the object of one stray."""
    return {
        **path_fields(one.path),
        **path_fields(one.persist, "persist"),
        "type": one.type.value,
        "bytes": one.size,
        "files": one.files,
        "complete": one.complete,
        "uid": one.uid,
        "used": one.used or None,
    }


def tidy_to_json(plan: Plan, done: Done | None, *, dry_run: bool) -> Object:
    """Return the document of `tidy --json`; `done` is None where nothing was to be done."""
    done = done or Done()
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "complete": plan.complete,
        "move": [stray_to_json(one) for one in plan.move],
        "used": [stray_to_json(one) for one in plan.used],
        "over": [_kept(one) for one in plan.over],
        "waiting": [_kept(one) for one in plan.waiting],
        "moved": [path_fields(one.path) for one in done.moved],
        "deleted": [path_fields(one.path) for one in done.deleted],
        "back": [path_fields(one.path) for one in done.back],
        "failed": [{**path_fields(one.path), "why": one.why} for one in done.failed],
    }


def _kept(one: Kept) -> Object:
    return {
        **path_fields(one.path),
        **path_fields(one.persist, "persist"),
        "moved": time_to_text(one.tidied.time),
    }
