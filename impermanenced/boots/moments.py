"""A past or present state of the volumes: the blank, an old root, or what is there now.

Whoever reads an old root holds a shared lock on its topmost directory, and whoever deletes one takes an
exclusive one first: so no old root goes away beneath a reader, and none is begun with while it goes.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
from collections.abc import Iterator, Mapping

import btrfsutil

from ..errors import ImpermanenceError, UsageError
from ..kernel import btrfs, openat2
from ..lazy import NamedTuple
from ..text import to_text
from ..volumes.machine import Machine
from .history import RUNNING, Boot, History, old_roots_of
from .old_roots import OldRoot

_LISTED = "impermanence boots lists those that exist"


class Word(enum.StrEnum):
    """The moments that have a word."""

    BLANK = "blank"
    NOW = "now"


class Root(NamedTuple):
    """One volume's tree at a moment."""

    id: int  # of its subvolume
    path: bytes  # from the top level
    old: bool = False  # whether it is an old root, which may be pruned


class Moment(NamedTuple):
    """The trees of the volumes at one moment."""

    name: str  # for a person
    boot: Boot | None  # the boot whose life it is; None: the blank, or what no boot is known of
    roots: Mapping[str, Root]  # by the name of the volume; one that had nothing then is missing


def find(word: str, history: History | None, machine: Machine) -> Moment:
    """Return the moment that a word means: `blank`, `now`, the number of a boot (-1: the previous one), or
    the name of an old root that no boot has.

    `history` is None on a machine that has no boots yet.  Raises UsageError for a word that means nothing,
    and ImpermanenceError for an old root that is gone.
    """
    if word == Word.BLANK:
        blanks = {
            volume.name: Root(volume.blank_id, volume.blank)
            for volume in machine.volumes
            if volume.blank_id is not None and volume.blank is not None
        }
        return Moment("the blank", None, blanks)
    if word == Word.NOW:
        return _now(history.current if history else None, machine)
    if history is None:
        raise UsageError(f"there is no boot {word}: this machine has neither a record nor an old root")
    if word.removeprefix("-").isdecimal():
        return of_boot(history.boot(int(word)), history, machine)
    return _named(word, history, machine)


def _now(boot: Boot | None, machine: Machine) -> Moment:
    number = None if boot is None else boot.number
    roots = {volume.name: Root(volume.root_id, volume.subvolume) for volume in machine.volumes}
    return Moment("now" if number is None else f"boot {number} (now)", boot, roots)


def of_boot(boot: Boot, history: History, machine: Machine) -> Moment:
    """Return the state in which a boot left the volumes.  Raises ImpermanenceError where it is gone."""
    life, seen = boot, {boot.number}
    while life.went_on is not None and life.went_on not in seen:
        seen.add(life.went_on)
        life = history.boot(life.went_on)
    if life.ended == RUNNING:
        return _now(boot, machine)
    roots: dict[str, Root] = {}
    for old in life.old_roots:
        name = old.volume if old.volume is not None else machine.volumes[0].name
        found = _root_of(old, machine)
        if found is None:
            continue
        if name in roots:
            raise ImpermanenceError(
                f"boot {boot.number} has several old roots of volume {name}: "
                f"{to_text(roots[name].path)} and {to_text(found.path)}",
                "move the one that is not meant out of the archive",
            )
        roots[name] = found
    if not roots:
        raise ImpermanenceError(f"the old root of boot {boot.number} is gone", _LISTED)
    return Moment(f"boot {boot.number}" if boot.number is not None else "an old root", boot, roots)


def _root_of(old: OldRoot, machine: Machine) -> Root | None:
    """Return an old root where it is: in the archive, or where a switch that was cut has left it."""
    if old.there:
        return Root(old.id, old.path, old=True)
    if old.waits is None:
        return None
    with contextlib.suppress(OSError):
        fd = _open(machine, old.waits)
        try:
            return Root(_number(fd), old.waits, old=True)
        finally:
            os.close(fd)
    return None


def _named(word: str, history: History, machine: Machine) -> Moment:
    raw = os.fsencode(word)
    named = [
        (boot, root)
        for boot in history.boots
        for root in boot.old_roots
        if root.there and raw in (root.path, os.path.basename(root.path))
    ]
    if not named:
        hint = "blank, now, or a number or a name of impermanence boots"
        raise UsageError(f"there is no boot and no old root {to_text(raw)}", hint)
    if len(named) > 1:
        paths = ", ".join(to_text(root.path) for _, root in named)
        raise UsageError(f"there are several old roots {to_text(raw)}", f"one of {paths}")
    ((boot, old),) = named
    volume = old.volume if old.volume is not None else machine.volumes[0].name
    return Moment(to_text(raw), boot, {volume: Root(old.id, old.path, old=True)})


def all_of(history: History, machine: Machine) -> Iterator[tuple[str, Boot, Root]]:
    """Yield (name of the volume, boot, root) of each old root that exists, the newest first for each
    volume.
    """
    for volume in machine.volumes:
        for boot, old in old_roots_of(history, machine, volume):
            yield volume.name, boot, Root(old.id, old.path, old=True)


@contextlib.contextmanager
def opened(root: Root, machine: Machine) -> Iterator[int]:
    """Hold a descriptor of a root, which stays for so long; an old one is locked against pruning.

    Raises ImpermanenceError if it is being pruned, or is not what it was.
    """
    what = to_text(root.path)
    try:
        fd = _open(machine, root.path)
    except OSError as error:
        raise ImpermanenceError(f"{what}: {error.strerror}", _LISTED) from None
    try:
        if root.old:
            _lock(fd, what)
        if _number(fd) != root.id:
            raise ImpermanenceError(f"{what} is not what it was a moment ago", "ask again")
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int, what: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ImpermanenceError(f"{what} is being pruned", _LISTED) from None


def _open(machine: Machine, path: bytes) -> int:
    return openat2.open_directory(machine.top, path, os.O_RDONLY)


def _number(fd: int) -> int:
    """Return the id of the subvolume whose topmost directory this is; 0 for any other directory."""
    top = os.fstat(fd).st_ino == btrfs.BTRFS_FIRST_FREE_OBJECTID
    return int(btrfsutil.subvolume_id(fd)) if top else 0
