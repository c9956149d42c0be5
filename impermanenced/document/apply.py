"""The document of `apply --json`."""

from __future__ import annotations

from ..keep.apply import Applied
from .fields import VERSION, Object, path_fields


def apply_to_json(applied: Applied, *, dry_run: bool) -> Object:
    """Return the object of what was done, or would be, and of what was not."""
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "handed_over": applied.handed,
        "steps": [
            {"step": step.kind, **path_fields(step.path), "words": step.words} for step in applied.steps
        ],
        "left": [
            {**path_fields(one.path), "words": one.words, "hint": one.hint, "failed": one.failed}
            for one in applied.left
        ],
        "files": list(applied.files),
    }
