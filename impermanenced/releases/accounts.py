"""The accounts of the running system in the next blank: who came, went or changed here since it booted.

The files are merged by names, not copied: an update may have brought accounts of its own into the blank,
which what it installed there needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from ..errors import ImpermanenceError
from ..kernel import openat2
from ..model import Volume
from ..text import to_text
from ..volumes.machine import Machine
from ..volumes.started import started_from
from . import copies
from .listing import Place

# passwd(5), group(5), shadow(5), gshadow(5), subuid(5)
FILES = (b"/etc/passwd", b"/etc/group", b"/etc/shadow", b"/etc/gshadow", b"/etc/subuid", b"/etc/subgid")
LARGEST = 16 << 20

_NUMBERED = (b"/etc/passwd", b"/etc/group")  # whose third field is to be one name's alone

Table = Mapping[bytes, tuple[bytes, ...]]  # the lines of each name


Names = Mapping[bytes, tuple[bytes, ...]]  # of accounts, by file


def differing(machine: Machine, volume: Volume) -> Names:
    """Return whose lines were changed since this boot, and are not in the blank yet."""
    base, blank = started_from(machine, volume).blank, volume.blank
    found = {}
    with (
        openat2.root(volume.mountpoint) as live,
        openat2.root(machine.at(base or b"")) as was,
        openat2.root(machine.at(blank or b"")) as next_one,
    ):
        for path in FILES:
            if _is_own(live, path):
                mine, before, theirs = (_table(root, path) for root in (live, was, next_one))
                names = [name for name in _changed(mine, before) if mine.get(name) != theirs.get(name)]
                if names:
                    found[path] = tuple(names)
    return found


def bring(machine: Machine, volume: Volume) -> Callable[[Place], Iterable[bytes]]:
    """Return an edit that brings into a release what was changed here.

    It raises ImpermanenceError where a number would be that of two names.
    """
    base = started_from(machine, volume).blank or b""

    def edit(place: Place) -> Iterable[bytes]:
        with (
            openat2.root(volume.mountpoint) as live,
            openat2.root(machine.at(base)) as was,
            openat2.root(machine.at(place.path)) as release,
        ):
            for path in FILES:
                if _is_own(live, path):
                    _bring(live, was, release, path)
        return ()

    return edit


def _bring(live: int, was: int, release: int, path: bytes) -> None:
    mine, before, theirs = (_table(root, path) for root in (live, was, release))
    names = _changed(mine, before)
    if not names:
        return
    if not theirs:
        copies.one(live, release, path)
        return
    merged = dict(theirs)
    for name in names:
        if name in mine:
            merged[name] = mine[name]
        else:
            merged.pop(name, None)
    if path in _NUMBERED:
        _refuse_shared_numbers(path, merged, names)
    copies.write(release, path, b"".join(line + b"\n" for lines in merged.values() for line in lines))


def _refuse_shared_numbers(path: bytes, merged: Table, names: Iterable[bytes]) -> None:
    owners: dict[bytes, bytes] = {}
    for name, lines in merged.items():
        number = [*lines[0].split(b":"), b"", b""][2]
        if number and (other := owners.setdefault(number, name)) != name and {name, other} & {*names}:
            raise ImpermanenceError(
                f"{to_text(path)}: {to_text(name)} and {to_text(other)} would both have the number "
                f"{to_text(number)}: one was made here, and one by an update; nothing was changed",
                "give the one that was made here another number (usermod --uid, groupmod --gid)",
            )


def _changed(mine: Table, before: Table) -> list[bytes]:
    return [name for name in {**before, **mine} if mine.get(name) != before.get(name)]


def _is_own(live: int, path: bytes) -> bool:
    """Return whether the file is the root's own: one that is mounted from elsewhere persists already."""
    try:
        return openat2.facts(live, path).st_dev == os.fstat(live).st_dev
    except OSError:
        return False


def _table(root: int, path: bytes) -> Table:
    try:
        content = openat2.read(root, path, LARGEST)
    except FileNotFoundError:
        return {}
    found: dict[bytes, tuple[bytes, ...]] = {}
    for line in content.splitlines():
        name = line.partition(b":")[0]
        found[name] = (*found.get(name, ()), line)
    return found
