"""The document of `update --json`."""

from __future__ import annotations

from ..releases.update import Updated
from .fields import Object, path_fields
from .releases import change_to_json, packages_to_json


def update_to_json(done: Updated) -> Object:
    """Return the object of what an update has done, or would do."""
    return {
        **change_to_json(done.changed, done.notes),
        "commands": [list(words) for words in done.commands],
        "packages": packages_to_json(done.packages),
        "etc": [{**path_fields(one.path), "outcome": one.outcome} for one in done.merges],
    }
