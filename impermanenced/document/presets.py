"""The document of `presets --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.presets import Part, Preset
from ..keep.presets import Place
from .fields import VERSION, Object, path_fields


def presets_to_json(found: Mapping[str, Preset], places: Sequence[Place] | None = None) -> Object:
    """Return the object with all presets, or with one and what it holds on this machine."""
    document: Object = {
        "version": VERSION,
        "presets": [
            {
                "name": name,
                "application": one.application,
                "parts": [_part(part) for part in one.parts],
                "home_parts": [_part(part) for part in one.home],
            }
            for name, one in found.items()
        ],
    }
    if places is not None:
        document["places"] = [_place(one) for one in places]
    return document


def _part(part: Part) -> Object:
    paths = [path_fields(path.rstrip(b"/")) for path in part.paths]
    return {"application": part.application, "what": part.what, "initrd": part.initrd, "paths": paths}


def _place(one: Place) -> Object:
    return {
        **path_fields(one.path),
        "application": one.part.application,
        "directory": one.directory,
        "there": one.there,
        "bytes": one.size,
        "files": one.files,
        "complete": one.complete,
        "user": one.user or None,
        "unit": one.unit or None,
        "open": one.open,
        **(path_fields(one.source, "source") if one.source is not None else {"source": None}),
    }
