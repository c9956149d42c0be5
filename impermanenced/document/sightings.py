"""The document of `history --json`: the life of one path."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots.sightings import Sighting
from ..text import time_to_text
from .comparison import moment_to_json
from .fields import VERSION, Object, path_fields
from .report import writer_to_json


def sightings_to_json(path: bytes, volume: str, found: Sequence[Sighting], fault: str | None) -> Object:
    """Return the object of a path; `fault` says why the writers are not known."""
    return {
        "version": VERSION,
        **path_fields(path),
        "volume": volume,
        "writers_fault": fault,
        "sightings": [_sighting_to_json(one) for one in found],
    }


def _sighting_to_json(one: Sighting) -> Object:
    thing = one.thing
    return {
        "moment": moment_to_json(one.moment),
        **path_fields(one.root.path, "root"),
        "there": thing is not None,
        "type": None if thing is None else thing.type.value,
        "size": None if thing is None else thing.size,
        "mode": None if thing is None else f"{thing.mode:04o}",
        "uid": None if thing is None else thing.uid,
        "gid": None if thing is None else thing.gid,
        "mtime": None if thing is None else time_to_text(thing.mtime // 10**9),
        "changed": one.changed,
        "as_blank": one.as_blank,
        "writer": writer_to_json(one.writer),
        "fault": one.fault,
    }
