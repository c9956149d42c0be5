"""The document of `restore --json`: what was put back."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots.moments import Moment
from ..boots.restore import Restored
from .comparison import moment_to_json
from .fields import VERSION, Object, path_fields


def restored_to_json(moment: Moment, done: Sequence[Restored], *, dry_run: bool) -> Object:
    """Return the object; with `dry_run` nothing was done, and nothing is listed."""
    return {
        "version": VERSION,
        "dry_run": dry_run,
        "from": moment_to_json(moment),
        "restored": [
            {
                **path_fields(one.target),
                "files": one.result.files,
                "bytes": one.result.size,
                "shared": one.result.shared,
                "kept": one.result.kept,
                **({"backup": None} if one.backup is None else path_fields(one.backup, "backup")),
                "replaced": one.replaced,
                "lost": [
                    {**path_fields(lost.path), "kind": lost.kind.value, "detail": lost.detail}
                    for lost in one.result.lost
                ],
                "lost_more": one.result.lost_more,
            }
            for one in done
        ],
    }
