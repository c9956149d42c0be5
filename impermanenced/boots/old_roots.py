"""The old roots that exist, each compared with the record of the boot that archived it.

A name alone proves nothing: an old root is known if a subvolume lies directly in the archive, has the name of
an old root, and a record says that it put a subvolume with this UUID there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import btrfsutil

from ..config.load import Config
from ..errors import ImpermanenceError, NotSetUp, RecordError
from ..kernel import btrfs, libc
from ..lazy import NamedTuple
from ..state import (
    BOOTS,
    NEXT,
    ROLLBACK,
    STATE,
    BootFile,
    boot_file,
    boot_files,
    parse_archive_name,
    parse_unused_name,
    uuid_bytes,
)
from ..system import atomic
from ..text import to_text
from ..volumes.machine import Machine
from . import leftovers, records
from .records import BootRecord, EndRecord, NextRequest, RollbackEnv

# A clock that shows a time before this software existed (2024-01-01) is wrong.
EPOCH = 1_704_067_200

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OldRoot(NamedTuple):
    """An archived life of a volume, or another subvolume in the archive."""

    path: bytes  # from the top level
    number: int | None  # the number of the boot whose life it is; None: not known
    volume: str | None  # the name of the volume; None: the first one
    id: int = 0  # the id of the subvolume; 0: it is gone
    uuid: bytes = b""
    archived: int | None = None  # seconds since 1970, rather too late than too early; None: not known
    waits: bytes | None = None  # where it lies until the next boot archives it; None: it is archived, or gone

    @property
    def there(self) -> bool:
        """Return whether the subvolume exists at its path."""
        return self.id != 0


def by_age(root: OldRoot) -> tuple[int, bytes]:
    """Return a key that sorts the oldest first."""
    return -1 if root.number is None else root.number, root.path


class Found(NamedTuple):
    """The archive and the state directory at one moment."""

    roots: tuple[OldRoot, ...]  # the oldest first
    unknown: Mapping[bytes, str]  # anything else in the archive, and why it is no known old root
    broken: tuple[str, ...]  # records that cannot be read, and why
    records: Mapping[int, BootRecord]
    newest: int | None  # the number of the newest record, even of one that cannot be read
    good: frozenset[int]
    pins: frozenset[int]
    reviewed: frozenset[int]  # boots whose losses somebody has looked at
    lost: Mapping[int, EndRecord]  # what boots lost, where that is known
    next: NextRequest | None
    unused: tuple[OldRoot, ...] = ()  # new roots that the hook put away, and that nobody ever wrote to
    plans: Mapping[int, frozenset[bytes]] = MappingProxyType({})  # of a switch: UUIDs of its new roots


class Archive:
    """The archive and the state directory, open.  Close it, or use it in a `with`."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self.machine = machine
        self.path = config.archive.directory
        with contextlib.ExitStack() as stack:
            self._state = open_below(machine.top, STATE)
            stack.callback(os.close, self._state)
            self._boots = open_below(machine.top, BOOTS)
            stack.callback(os.close, self._boots)
            self._archive = open_below(machine.top, self.path)
            stack.callback(os.close, self._archive)
            # The subvolume that the archive lies in, and the archive's inode there.
            self.parent = int(btrfsutil.subvolume_id(self._archive))
            self.inode = os.fstat(self._archive).st_ino
            self._fds = stack.pop_all()

    def close(self) -> None:
        self._fds.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lock(self) -> None:
        """Lock the archive until it is closed.  Raises ImpermanenceError if another process has it."""
        try:
            fcntl.flock(self._boots, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImpermanenceError("old roots are being pruned already", "wait for it to end") from None

    def read(self) -> Found:
        """Return what is there now.  Raises RecordError for a `next` that cannot be read: it may need any old
        root.
        """
        numbers = boot_files(_names(self._boots))
        known, broken = self._records(numbers[BootFile.RECORD])
        newest = max(numbers[BootFile.RECORD], default=None)
        roots, unknown = self._roots(known)
        unused = self._take_unused(unknown, known, newest)
        return Found(
            roots=tuple(sorted(roots, key=by_age)),
            unknown=unknown,
            broken=tuple(broken),
            records=known,
            newest=newest,
            good=numbers[BootFile.GOOD],
            pins=numbers[BootFile.PIN],
            reviewed=numbers[BootFile.REVIEWED],
            lost=self._lost(numbers),
            next=self._next(),
            unused=tuple(sorted(unused, key=by_age)),
            plans=self._plans(numbers[BootFile.PLAN], newest),
        )

    def rollback(self) -> RollbackEnv | None:
        """Return what the hook was told, or None.  Raises RecordError if it cannot be read."""
        content = _content(self._state, ROLLBACK)
        return None if content is None else records.parse_rollback(content)

    def _records(self, numbers: frozenset[int]) -> tuple[dict[int, BootRecord], list[str]]:
        known, broken = {}, []
        for number in sorted(numbers):
            path = boot_file(number, BootFile.RECORD)
            try:
                content = _content(self._boots, path)
                record = records.parse_record(content or b"", path)
                if record.number != number:
                    raise RecordError(f"{to_text(path)}: it says it is the record of boot {record.number}")
                known[number] = record
            except RecordError as error:
                broken.append(error.message)
            except OSError as error:
                broken.append(f"{to_text(path)}: {error.strerror}")
        return known, broken

    def _lost(self, numbers: Mapping[BootFile, frozenset[int]]) -> dict[int, EndRecord]:
        """Return what boots lost: by a look at the old root, or else as they were shut down."""
        found = {}
        for kind in (BootFile.END, BootFile.LOST):
            for number in numbers[kind]:
                path = boot_file(number, kind)
                with contextlib.suppress(RecordError, OSError):
                    content = _content(self._boots, path)
                    if content is not None:
                        found[number] = records.parse_end(content, path)
        return found

    def _roots(self, known: Mapping[int, BootRecord]) -> tuple[list[OldRoot], dict[bytes, str]]:
        children = self._children()
        times = archived_times(known)
        archived = {
            volume.old: (volume.old_uuid, number)
            for number, record in sorted(known.items())
            for volume in record.volumes
            if volume.old is not None
        }
        roots, unknown = [], {}
        for name in sorted(_names(self._archive)):
            path = self.path + b"/" + name
            parsed = parse_archive_name(name)
            if name not in children:
                unknown[path] = "is not a subvolume"
            elif parsed is None:
                unknown[path] = "does not have the name of an old root"
            elif path not in archived:
                unknown[path] = "is in no record"
            else:
                try:
                    found = self.machine.subvolume(children[name])
                except OSError as error:
                    unknown[path] = f"cannot be looked up: {error.strerror}"
                    continue
                wanted, number = archived[path]
                if wanted is None or uuid_bytes(wanted) != found.uuid:
                    unknown[path] = f"is not the subvolume that boot {number} put there"
                    continue
                life, _, volume = parsed
                roots.append(OldRoot(path, life, volume, found.id, found.uuid, times[number]))
        return roots, unknown

    def _children(self) -> dict[bytes, int]:
        """Return {name: id} of the subvolumes directly in the archive.

        The references are asked by number: no name is followed, and only subvolumes have references.
        """
        nested = btrfs.Tree(self.machine.top, self.parent).nested()
        return {name: child for child, (directory, name) in nested.items() if directory == self.inode}

    def _take_unused(
        self, unknown: dict[bytes, str], known: Mapping[int, BootRecord], newest: int | None
    ) -> list[OldRoot]:
        """Move from `unknown` what the hook put away as never written to, and what still is as it was.

        A number above that of the newest record stays: the hook counts on by the names in the archive.
        """
        names = {name: parse_unused_name(name) for name in map(os.path.basename, unknown)}
        if not any(number is not None for number in names.values()):
            return []
        self.machine.sync()
        children, rollback = self._children(), None
        with contextlib.suppress(RecordError):
            rollback = self.rollback()
        blanks = leftovers.blanks(self.machine, rollback, known.values())
        unused = []
        for name, number in names.items():
            path = self.path + b"/" + name
            if number is None or name not in children:
                continue
            fault = leftovers.fault(self.machine, children[name], blanks)
            if fault is None and (newest is None or number > newest):
                fault = f"no record of boot {number} or a later one is there"
            if fault is not None:
                unknown[path] = fault
                continue
            del unknown[path]
            found = self.machine.subvolume(children[name])
            unused.append(OldRoot(path, number, None, found.id, found.uuid))
        return unused

    def _plans(self, numbers: frozenset[int], newest: int | None) -> dict[int, frozenset[bytes]]:
        """Return {number: UUIDs of its new roots} of the plans up to the newest record."""
        plans = {}
        for number in sorted(numbers):
            if newest is None or number > newest:
                continue
            with contextlib.suppress(RecordError, OSError):
                content = _content(self._boots, boot_file(number, BootFile.PLAN))
                if (roots := leftovers.new_roots(content, number)) is not None:
                    plans[number] = roots
        return plans

    def forget_plans(self, numbers: Iterable[int]) -> list[bytes]:
        """Remove plans that were put aside, and return their paths."""
        gone = []
        for number in numbers:
            path = boot_file(number, BootFile.PLAN)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.basename(path), dir_fd=self._boots)
                gone.append(path)
        return gone

    def _next(self) -> NextRequest | None:
        content = _content(self._state, NEXT)
        return None if content is None else records.parse_next(content)

    # Pins

    def pin(self, number: int) -> bool:
        """Pin the old roots of a boot; return False if they were pinned.  Raises ImpermanenceError if there
        is none.
        """
        found = self.read()
        self._check_there(number, found)
        if number in found.pins:
            return False
        atomic.replace(self._pin(number), b"")
        return True

    def _check_there(self, number: int, found: Found) -> None:
        if number not in {root.number for root in found.roots}:
            there = ", ".join(dict.fromkeys(str(root.number) for root in found.roots))
            raise ImpermanenceError(
                f"there is no old root of boot {number}",
                f"there are those of {there}" if there else "the archive has none",
            )

    def unpin(self, number: int) -> bool:
        """Unpin the old roots of a boot; return False if they were not pinned."""
        try:
            os.unlink(self._pin(number))
        except FileNotFoundError:
            return False
        libc.syncfs(self._boots)
        return True

    def note_lost(self, number: int, record: EndRecord) -> None:
        """Record what a boot lost.  Raises OSError."""
        path = self.machine.at(boot_file(number, BootFile.LOST))
        atomic.replace(path, records.format_end(record))

    def review(self, number: int) -> bool:
        """Mark the losses of a boot as looked at; return False if they were.  Raises what `pin` raises."""
        found = self.read()
        self._check_there(number, found)
        if number in found.reviewed:
            return False
        atomic.replace(self.machine.at(boot_file(number, BootFile.REVIEWED)), b"")
        return True

    def _pin(self, number: int) -> bytes:
        return self.machine.at(boot_file(number, BootFile.PIN))


def archived_times(known: Mapping[int, BootRecord]) -> dict[int, int | None]:
    """Return when each boot put the life before it away, by clocks that may have been wrong.

    Boots come one after the other: no boot was earlier than one before it, and a boot whose clock had
    not been set was no later than the next one whose clock had.
    """
    times: dict[int, int | None] = {}
    later = None
    for number in sorted(known, reverse=True):
        if known[number].time >= EPOCH:
            later = known[number].time
        times[number] = later
    latest = 0
    for number in sorted(times):
        time = times[number]
        if time is not None:
            times[number] = latest = max(latest, time)
    return times


def open_below(fd: int, path: bytes) -> int:
    """Return a descriptor of a directory by its path from another one, through no symbolic link.  Raises
    NotSetUp.
    """
    here = os.dup(fd)
    try:
        for part in path.split(b"/"):
            below = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
    except OSError as error:
        os.close(here)
        raise NotSetUp(
            f"{to_text(path)} is not a directory at the top level: {error.strerror}", "impermanence setup"
        ) from None
    except BaseException:  # ValueError for a NUL, or a signal
        os.close(here)
        raise
    return here


def _names(directory: int) -> list[bytes]:
    # On BTRFS a descriptor lists only the names that existed when it was opened or last rewound.
    fd = os.open(b".", _DIRECTORY, dir_fd=directory)
    try:
        return [os.fsencode(name) for name in os.listdir(fd)]
    finally:
        os.close(fd)


def _content(directory: int, path: bytes) -> bytes | None:
    """Return the content of a file directly in this directory, or None if there is none."""
    try:
        return records.read(os.path.basename(path), path, dir_fd=directory)
    except FileNotFoundError:
        return None
