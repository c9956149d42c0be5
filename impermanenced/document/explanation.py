"""The document about one path, as the bus carries it."""

from __future__ import annotations

from ..report.explanation import Explanation
from .fields import Object, path_fields
from .report import whole_entry_to_json, whole_head_to_json


def explanation_to_json(found: Explanation) -> Object:
    """Return the object; `entry` and `subvolume` are null if there is none."""
    return {
        **whole_head_to_json(found.report),
        **path_fields(found.path),
        "entry": found.entry and whole_entry_to_json(found.entry),
        "subvolume": found.subvolume and whole_entry_to_json(found.subvolume),
        "below": found.below,
    }
