"""The document about files that are copied back into the persist volume."""

from __future__ import annotations

from collections.abc import Sequence

from ..keep.sync import Synced
from .fields import VERSION, Object, path_fields


def synced_to_json(found: Sequence[Synced], *, dry_run: bool) -> Object:
    """Return the document of `sync --json`."""
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "files": [
            {
                **path_fields(one.path),
                **path_fields(one.source, "source"),
                "copied": one.done,
                "why": one.why or None,
            }
            for one in found
        ],
    }
