"""The presets that fit a machine: what they keep is declared by their names.

A preset that is named goes on to count for what comes to the machine later, so one is named only where all
that it stands for now is to be kept.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterable, Iterator, Sequence

from ..config.presets import Part, known
from ..paths import ancestors, within
from . import content
from .facts import Kept

# What every machine has some of, with the logs in place of the journal alone.
COMMON = ("identity", "network", "bluetooth", "timers", "logs")
# What these applications get may come at any time; others count once there is something.
_AT_ONCE = frozenset(("certbot", "mail", "web-server"))
# What identity and timers keep more of, and the keys of a package manager, which belong beside its software.
_NEVER = frozenset(("systemd", "pacman"))
# It stays in the blank: systemd reads it before anything is mounted.
LEFT_OUT = (b"/etc/machine-id",)


def fitting(root: int, separate: Collection[bytes], software: Collection[bytes]) -> Iterator[Kept]:
    """Yield what the presets that fit keep here, those of every machine first.

    `root` is a descriptor of the system's root.  What is in `separate` is mounted by itself, and what lies in
    `software` belongs to the packages.
    """
    for name in (*COMMON, *sorted(name for name, one in known().items() if one.application)):
        if name in _NEVER:
            continue
        found = list(_places(root, name))
        if name in COMMON or _fits(root, name, found, software):
            for part, path, directory in found:
                if path not in LEFT_OUT and {path, *ancestors(path)}.isdisjoint(separate):
                    yield Kept(path, directory, f"{part.application}: {part.what}", name)


def _places(root: int, name: str) -> Iterator[tuple[Part, bytes, bool]]:
    for part in known()[name].parts:
        for place in part.paths:
            path, directory = place.rstrip(b"/"), place.endswith(b"/")
            if content.there_is(root, path, stat.S_ISDIR if directory else stat.S_ISREG):
                yield part, path, directory


def _fits(
    root: int, name: str, found: Sequence[tuple[Part, bytes, bool]], software: Collection[bytes]
) -> bool:
    """Return whether each part of an application's preset has a place here: of a part that has none, the
    configuration would declare the first.
    """
    if any(all(part != one for part, _, _ in found) for one in known()[name].parts):
        return False
    if any(within(path, one) for _, path, _ in found for one in software):
        return False
    paths = [path for _, path, _ in found]
    return (
        name in _AT_ONCE
        or any(content.of_a_service(root, path) for path in paths)
        or bool(content.with_something(root, paths))
    )


def names_of(kept: Iterable[Kept]) -> tuple[str, ...]:
    """Return the presets that keep something of this, those of every machine first."""
    found = {one.preset for one in kept if one.preset}
    return (*(name for name in COMMON if name in found), *sorted(found.difference(COMMON)))


def left_out(kept: Sequence[Kept], separate: Collection[bytes]) -> tuple[bytes, ...]:
    """Return the places that the presets of `kept` would declare, and that persist already or are to stay in
    the blank.
    """
    paths = {
        path.rstrip(b"/")
        for name in names_of(kept)
        for part in known()[name].parts
        for path in part.paths
    }
    return tuple(
        sorted(
            path
            for path in paths
            if path in LEFT_OUT or not {path, *ancestors(path)}.isdisjoint(separate)
        )
    )


def named(path: bytes, names: Collection[str]) -> str:
    """Return which of these presets keeps a path, or ""."""
    for name in names:
        if any(path == place.rstrip(b"/") for part in known()[name].parts for place in part.paths):
            return name
    return ""
