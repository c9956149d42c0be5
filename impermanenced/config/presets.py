"""Presets: names for declarations that many machines need, made of the rules about applications.

`data/presets.json` is written by `tools/compile-knowledge`.  A part of a preset has several places, of which
a machine mostly has one: what is there, or in the persist volume already, is declared.  So the choice of the
first time lasts.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..lazy import Deferred
from .values import Where, likely, quoted

_json = Deferred("json")  # most configurations name no preset

DATA = os.path.join(os.path.dirname(os.fsencode(__file__)), b"data/presets.json")


class Part(NamedTuple):
    """One thing that a preset keeps."""

    application: str
    what: str  # why it is kept, for a person
    paths: tuple[bytes, ...]  # its places; one that ends with a slash is a directory
    initrd: bool


class Preset(NamedTuple):
    """The parts of one preset."""

    parts: tuple[Part, ...]
    application: bool  # whether it is named after an application, which somebody has then


@functools.cache
def known() -> Mapping[str, Preset]:
    """Return all presets by name."""
    with open(DATA, "rb") as stream:
        tables = _json.load(stream)
    return {
        name: Preset(tuple(map(_part, parts)), key == "applications")
        for key in ("presets", "applications")
        for name, parts in tables[key].items()
    }


def _part(fields: dict[str, object]) -> Part:
    paths = fields["paths"]
    assert isinstance(paths, list)
    places = tuple(map(os.fsencode, paths))
    return Part(str(fields["application"]), str(fields["what"]), places, fields["initrd"] is True)


def check(names: tuple[str, ...], without: tuple[str, ...], where: Where) -> None:
    """Raise ConfigError for a preset that there is not, and for a part that none of these has."""
    presets = known()
    for index, name in enumerate(names):
        if name not in presets:
            place = (where / "preset").item(index)
            place.fail(f"there is no preset {quoted(name)}", likely(name, presets) or "impermanence presets")
    words = {word for name in names for part in presets[name].parts for word in _words(part)}
    for index, word in enumerate(without):
        if word.rstrip("/") not in words:
            place = (where / "without").item(index)
            hint = "name a path or an application: impermanence presets NAME"
            place.fail(f"no preset here has {quoted(word)}", hint)


def _words(part: Part) -> Iterator[str]:
    """Yield what `without` may call a part or a place of it."""
    yield part.application.lower()
    yield from (os.fsdecode(path.rstrip(b"/")) for path in part.paths)


def chosen(
    names: tuple[str, ...], without: tuple[str, ...], persist: bytes, *, foreign: bool
) -> Iterator[tuple[Part, bytes, bool]]:
    """Yield what presets declare: the part, the path, and whether it is a directory.

    Of another system, which cannot be looked at, it is the first place of each part.
    """
    left = {word.rstrip("/") for word in without}
    for name in names:
        preset = known()[name]
        for part in preset.parts:
            if part.application.lower() in left:
                continue
            paths = [path for path in part.paths if os.fsdecode(path.rstrip(b"/")) not in left]
            there = [] if foreign else [path for path in paths if _is_there(path, persist)]
            # An application that is named will be there; of the others, the machine may have none.
            for path in there or (paths[:1] if foreign or preset.application else ()):
                yield part, path.rstrip(b"/"), path.endswith(b"/")


def _is_there(path: bytes, persist: bytes) -> bool:
    kind = stat.S_ISDIR if path.endswith(b"/") else stat.S_ISREG
    for place in (path.rstrip(b"/"), persist.rstrip(b"/") + path.rstrip(b"/")):
        try:
            if kind(os.lstat(place).st_mode):
                return True
        except OSError:
            continue
    return False
