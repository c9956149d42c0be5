"""The life of one path: in which boots it was there, when its content changed, and who wrote it."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator

from ..drift.alike import holds_the_same
from ..drift.locate import Located, locate
from ..errors import ImpermanenceError
from ..lazy import NamedTuple
from ..model import TYPES, FileType, Volume, Writer
from ..state import STATE
from ..volumes.machine import Machine
from ..watch.ledger import past
from ..watch.ledger.past import PastLedger
from .history import RUNNING, Boot, History
from .moments import Moment, Root, Word, find, of_boot, opened


class Thing(NamedTuple):
    """What was at the path."""

    type: FileType
    size: int  # bytes; 0 for a directory
    mode: int  # permission bits
    uid: int
    gid: int
    mtime: int  # nanoseconds since 1970


class Sighting(NamedTuple):
    """The path at one moment."""

    moment: Moment
    root: Root
    thing: Thing | None  # None: nothing was there
    changed: bool | None = None  # whether it holds something else than at the sighting before; None: no other
    as_blank: bool = False  # whether it holds what the blank has
    writer: Writer | None = None  # who wrote it last in that boot; None: not known
    fault: str | None = None  # why it could not be looked at


def _moments(history: History | None, machine: Machine, volume: Volume) -> Iterator[Moment]:
    """Yield the moments at which a volume had a tree that still exists, the newest first, the blank last."""
    yield find(Word.NOW, history, machine)
    for boot in history.boots if history else ():
        if history is not None and boot.ended != RUNNING and any(root.there for root in boot.old_roots):
            with contextlib.suppress(ImpermanenceError):  # several of one name
                moment = of_boot(boot, history, machine)
                if volume.name in moment.roots:
                    yield moment
    blank = find(Word.BLANK, history, machine)
    if volume.name in blank.roots:
        yield blank


def sightings(
    history: History | None, machine: Machine, volume: Volume, path: bytes
) -> tuple[list[Sighting], str | None]:
    """Return what each moment has at a path of the volume's system, the newest first, and why the writers of
    earlier boots are not known, or None.  Raises OSError if a tree cannot be read.
    """
    machine.sync()
    found: list[Sighting] = []
    older: Located | None = None
    blank: Located | None = None
    with past.read(machine.at(STATE)) as ledger, contextlib.ExitStack() as stack:
        for moment in reversed(list(_moments(history, machine, volume))):
            root = moment.roots[volume.name]
            try:
                # Until the end: the next one is compared with it.
                stack.enter_context(opened(root, machine))
            except ImpermanenceError as error:
                found.append(Sighting(moment, root, None, fault=error.message))
                continue
            there = locate(machine.top, root.id, volume.inside(path))
            if root.id == volume.blank_id:
                blank = there
            found.append(_sighting(machine, moment, root, there, older, blank, ledger))
            older = there or older
        fault = ledger.fault
    found.reverse()
    return found, fault


def _sighting(
    machine: Machine,
    moment: Moment,
    root: Root,
    there: Located | None,
    older: Located | None,
    blank: Located | None,
    ledger: PastLedger,
) -> Sighting:
    if there is None:
        return Sighting(moment, root, None)
    return Sighting(
        moment,
        root,
        _thing(there),
        changed=None if older is None else not holds_the_same(machine.top, there, older),
        as_blank=blank is not None and holds_the_same(machine.top, there, blank),
        writer=_writer(moment.boot, there, ledger),
    )


def _thing(there: Located) -> Thing:
    inode = there.inode
    kind = TYPES.get(stat.S_IFMT(inode.mode), FileType.FILE)
    if there.directory == 0 and kind is FileType.DIRECTORY:
        kind = FileType.SUBVOLUME
    return Thing(
        kind,
        0 if stat.S_ISDIR(inode.mode) else inode.size,
        stat.S_IMODE(inode.mode),
        inode.uid,
        inode.gid,
        inode.mtime * 10**9 + inode.mtime_nsec,
    )


def _writer(boot: Boot | None, there: Located, ledger: PastLedger) -> Writer | None:
    if boot is None or boot.boot_id is None:
        return None
    return ledger.of(boot.boot_id, there.tree.root_id, there.number, there.directory)
