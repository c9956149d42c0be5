"""Presets: names for declarations that many machines need, made of the rules about applications.

`data/presets.json` is written by `tools/compile-knowledge`.  A part of a preset has several places, of which
a machine mostly has one: what is there, or in the persist volume already, is declared.  So the choice of the
first time lasts.  The places in a home belong to the preset of a user.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator, Mapping

from ..lazy import Deferred, NamedTuple
from .values import Where, likely, quoted

_json = Deferred("json")  # most configurations name no preset

DATA = os.path.join(os.path.dirname(os.fsencode(__file__)), b"data/presets.json")


class Part(NamedTuple):
    """One thing that a preset keeps."""

    application: str
    what: str  # why it is kept, for a person
    paths: tuple[bytes, ...]  # its places, in a home from there; one that ends with a slash is a directory
    initrd: bool


class Preset(NamedTuple):
    """The parts of one preset."""

    parts: tuple[Part, ...]  # in the system
    application: bool  # whether it is named after an application, which somebody has then
    home: tuple[Part, ...] = ()  # the parts in each home


@functools.cache
def known() -> Mapping[str, Preset]:
    """Return all presets by name."""
    with open(DATA, "rb") as stream:
        tables = _json.load(stream)
    return {
        name: Preset(_parts(parts, b"/"), key == "applications", _parts(parts, b"~/"))
        for key in ("presets", "applications")
        for name, parts in tables[key].items()
    }


def _parts(tables: list[dict[str, object]], above: bytes) -> tuple[Part, ...]:
    """Return the parts that have places in the system, or in a home, with these."""
    found = []
    for fields in tables:
        paths = fields["paths"]
        assert isinstance(paths, list)
        here = [path.removeprefix(b"~/") for path in map(os.fsencode, paths) if path.startswith(above)]
        if here:
            part = Part(
                str(fields["application"]), str(fields["what"]), tuple(here), fields["initrd"] is True
            )
            found.append(part)
    return tuple(found)


def parts_of(name: str, *, home: bool) -> tuple[Part, ...]:
    """Return the parts of a preset in the system, or in a home."""
    preset = known()[name]
    return preset.home if home else preset.parts


def check(names: tuple[str, ...], without: tuple[str, ...], where: Where, *, home: bool) -> None:
    """Raise ConfigError for a preset that there is not, or not there, and for a part that none of these
    has.
    """
    presets = known()
    for index, name in enumerate(names):
        place = (where / "preset").item(index)
        if name not in presets:
            place.fail(f"there is no preset {quoted(name)}", likely(name, presets) or "impermanence presets")
        if not parts_of(name, home=home):
            here, there = ("a home", "above, for the system") if home else ("the system", "below users.NAME")
            place.fail(f"the preset {quoted(name)} has nothing in {here}", f"write it {there}")
    words = {word for name in names for part in parts_of(name, home=home) for word in _words(part)}
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
    names: tuple[str, ...], without: tuple[str, ...], persist: bytes, *, home: bytes | None, foreign: bool
) -> Iterator[tuple[Part, bytes, bool]]:
    """Yield what presets declare in the system, or in a home: the part, the path (in a home from there), and
    whether it is a directory.

    Of another system, which cannot be looked at, it is the first place of each part.
    """
    above = b"" if home is None else home + b"/"
    left = {word.rstrip("/") for word in without}
    for name in names:
        preset = known()[name]
        for part in parts_of(name, home=home is not None):
            if part.application.lower() in left:
                continue
            paths = [path for path in part.paths if os.fsdecode(path.rstrip(b"/")) not in left]
            there = [] if foreign else [path for path in paths if _is_there(above + path, persist)]
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
