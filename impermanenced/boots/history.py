"""The boots of this machine and their old roots: the hook's records, joined with the archive.

Nothing is changed here.  A record that cannot be understood loses only what it alone knew.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import btrfsutil

from ..config.load import Config
from ..errors import ImpermanenceError, NotSetUp, RecordError, UsageError
from ..kernel.btrfs import BTRFS_ROOT_SUBVOL_RDONLY
from ..lazy import NamedTuple
from ..model import Volume
from ..state import (
    BOOTS,
    CLASSIC_ARCHIVES,
    NO_BOOT_ID,
    ROLLBACK,
    STAGING,
    BootFile,
    ClassicName,
    boot_file,
    boot_files,
    first_spelling,
    parse_archive_name,
    parse_classic_name,
)
from ..text import to_text
from ..volumes.machine import Machine
from . import records
from .boot_id import this_boot_id as this_boot_id
from .old_roots import OldRoot, archived_times, by_age
from .records import BootRecord, EndRecord

# How a boot stands.  GOOD: it completed (boots/N.good).  BAD: it did not, although an earlier one did.
RUNNING, GOOD, BAD, UNKNOWN = "running", "good", "bad", "unknown"
# How a boot ended, by the journal.
CLEAN, CUT = "clean", "cut"

# Of a boot by its id: the time of its last entry in the journal, and whether it was shut down.
LastEntry = Callable[[str], tuple[float, bool] | None]

NO_STATE = ("the machine is not set up: there is no .impermanence at the top level", "impermanence setup")


class Boot(NamedTuple):
    """One boot, or an old root that does not come from the hook."""

    number: int | None  # None: an old root that does not come from the hook, or a boot without a record
    boot_id: str | None = None
    time: float | None = None  # when it began, seconds since 1970
    ended: str = UNKNOWN
    last_entry: float | None = None  # its last entry in the journal
    shutdown: str | None = None  # CLEAN, or CUT (power, a crash, a forced reboot); None: not known
    record: BootRecord | None = None
    fault: str | None = None  # why its record cannot be understood
    old_roots: tuple[OldRoot, ...] = ()
    left: EndRecord | None = None  # what was undeclared at its end; None: not known
    pinned: bool = False
    reviewed: bool = False  # whether somebody has looked at what it lost
    went_on: int | None = None  # the boot that kept its root, under whose number the root goes on


class History(NamedTuple):
    """All boots that are known."""

    boots: tuple[Boot, ...]  # the newest first, even without a number; old roots of other tools last
    volumes: tuple[str, ...]  # the names that the hook uses
    archive: bytes
    hold: bool  # whether the hook fell back to a good root and does not wipe

    @property
    def current(self) -> Boot | None:
        """Return the running boot, or None if it has no record."""
        numbered = (boot for boot in self.boots if boot.number is not None)
        return next((boot for boot in numbered if boot.ended == RUNNING), None)

    def boot(self, wanted: int) -> Boot:
        """Return a boot by its number, or by -1 for the one before the running one.  Raises UsageError."""
        numbered = [boot for boot in self.boots if boot.number is not None]
        if wanted >= 0:
            found = next((boot for boot in numbered if boot.number == wanted), None)
        else:
            # Where the running boot left no record, the newest one is the previous one.
            current = self.current
            start = 0 if current is None else numbered.index(current) + 1
            found = dict(enumerate(numbered[start:], 1)).get(-wanted)
        if found is None:
            raise UsageError(f"there is no boot {wanted}", "impermanence boots")
        return found


def rollback_env(machine: Machine) -> records.RollbackEnv | None:
    """Return what the hook reads on this disk, or None if it cannot read anything."""
    with contextlib.suppress(FileNotFoundError, RecordError):
        return records.parse_rollback(records.read(machine.at(ROLLBACK), ROLLBACK), ROLLBACK)
    return None


def read(
    machine: Machine,
    archive: bytes,
    boot_id: str,
    last_entry: LastEntry = lambda boot_id: None,
    result: BootRecord | None = None,
) -> History:
    """Return all boots that anything is known of.  Raises NotSetUp if there is neither a record nor an old
    root.

    `archive` counts where there is no rollback.env; `boot_id` is the running boot's, and `result` what the
    hook left in /run, even if it could write no record.  `last_entry` returns for the id of another boot the
    time of its last entry in the journal, and whether it was shut down; it is asked in the order of the
    boots.
    """
    rollback = rollback_env(machine)
    hooks = rollback.volumes if rollback else ()
    volumes = [volume.name for volume in hooks or machine.volumes]
    blanks = {volume.blank for volume in hooks} | {volume.blank for volume in machine.volumes}
    has_state = machine.has_state()
    written = _records(machine) if has_state else _Written({})
    roots = _OldRoots(machine, volumes)
    roots.add_recorded(written.boots)
    archive = rollback.archive if rollback else archive
    roots.add_archive(archive, blanks)
    roots.add_classic(archive)
    if not (has_state or roots.of_boot or roots.strange):
        raise NotSetUp(*NO_STATE)
    boots = list(_numbered(written, roots, boot_id, last_entry))
    strange = sorted(roots.strange, key=lambda boot: (-(boot.time or 0), boot.old_roots[0].path))
    newest = written.boots.get(max(written.boots, default=0))
    hold = newest is not None and newest.hold
    running = [] if any(boot.ended == RUNNING for boot in boots) else _without_record(result, boot_id)
    return History((*running, *boots, *strange), tuple(volumes), archive, hold)


def _numbered(written: _Written, roots: _OldRoots, boot_id: str, last_entry: LastEntry) -> Iterator[Boot]:
    """Yield the boots that have a record or an old root, the newest first."""
    after: int | None = None  # the boot after it that has a record
    recorded = written.boots.keys() | written.faults.keys()
    for number in sorted(recorded | roots.of_boot.keys(), reverse=True):
        record = written.boots.get(number)
        of_boot = tuple(sorted(roots.of_boot.get(number, {}).values(), key=by_age))
        its_id = record.boot_id if record else roots.boot_ids.get(number)
        state = _ended(number, record, written.good, boot_id)
        last = last_entry(its_id) if its_id and state != RUNNING else None
        yield Boot(
            number=number,
            boot_id=its_id,
            time=record.time if record else None,
            ended=state,
            last_entry=None if last is None else last[0],
            shutdown=None if last is None else CLEAN if last[1] else CUT,
            record=record,
            fault=written.faults.get(number),
            old_roots=of_boot,
            left=written.left(number, its_id),
            pinned=number in written.pins,
            reviewed=number in written.reviewed,
            went_on=after if not of_boot and after is not None and _kept(written.boots.get(after)) else None,
        )
        after = number if number in recorded else after


def _without_record(result: BootRecord | None, boot_id: str) -> list[Boot]:
    """Return the running boot if its hook did not even mount: an image waited, or the hook was
    switched off.
    """
    if result is None or result.boot_id != boot_id:
        return []
    return [Boot(None, boot_id, result.time, RUNNING, record=result)]


def _kept(record: BootRecord | None) -> bool:
    return record is not None and record.action not in ("wiped", "booted")


def _ended(number: int, record: BootRecord | None, good: frozenset[int], boot_id: str) -> str:
    if record is not None and record.boot_id == boot_id:
        return RUNNING
    if number in good:
        return GOOD
    # The hook does the same: as long as no boot was ever marked as good, none is bad.
    return BAD if record is not None and any(other < number for other in good) else UNKNOWN


class _Written:
    """The files in boots/; one that cannot be understood loses only what it alone knew."""

    def __init__(self, numbers: Mapping[BootFile, frozenset[int]]) -> None:
        self.boots: dict[int, BootRecord] = {}
        self.faults: dict[int, str] = {}  # why the other records cannot be understood
        self.ends: dict[int, EndRecord] = {}
        self.good = numbers.get(BootFile.GOOD, frozenset())
        self.pins = numbers.get(BootFile.PIN, frozenset())
        self.reviewed = numbers.get(BootFile.REVIEWED, frozenset())

    def left(self, number: int, boot_id: str | None) -> EndRecord | None:
        end = self.ends.get(number)
        return end if end is not None and end.boot_id == (boot_id or NO_BOOT_ID) else None


def _records(machine: Machine) -> _Written:
    try:
        numbers = boot_files(os.listdir(machine.at(BOOTS)))
    except FileNotFoundError:
        return _Written({})
    found = _Written(numbers)
    for number in numbers[BootFile.RECORD]:
        path = boot_file(number, BootFile.RECORD)
        try:
            found.boots[number] = records.parse_record(records.read(machine.at(path), path), path)
        except ImpermanenceError as error:
            found.faults[number] = error.message
    for kind in (BootFile.END, BootFile.LOST):  # a look at the old root knows more than the daemon did
        for number in numbers[kind]:
            path = boot_file(number, kind)
            with contextlib.suppress(ImpermanenceError):
                found.ends[number] = records.parse_end(records.read(machine.at(path), path), path)
    return found


class _OldRoots:
    """The old roots of the boots, as far as they can be found."""

    def __init__(self, machine: Machine, volumes: list[str]) -> None:
        self.of_boot: dict[int, dict[bytes, OldRoot]] = {}
        self.boot_ids: dict[int, str] = {}
        self.strange: list[Boot] = []
        self._machine = machine
        self._volumes = volumes
        self._seen: set[bytes] = set()

    def add_recorded(self, boots: Mapping[int, BootRecord]) -> None:
        """Add those that the records say they archived."""
        ended, times = 0, archived_times(boots)
        for number in sorted(boots):
            self._add_recorded(boots[number], ended, times[number])
            ended = number

    def _add_recorded(self, record: BootRecord, ended: int, time: int | None) -> None:
        """Add those of a record whose clock said `time`; `ended` is the number of the boot before it."""
        for volume in record.volumes:
            if volume.old is None:
                continue
            name = self._parse(os.path.basename(volume.old))
            info = self._info(volume.old)
            there = info is not None and (volume.old_uuid is None or info.uuid.hex() == _hex(volume.old_uuid))
            if there or info is None:
                self._seen.add(volume.old)
            number = ended if name is None else name[0]
            root = _old_root(volume.old, number, volume.name, info if there else None, time)
            if not there and volume.old_uuid is not None:
                root = root._replace(waits=self._staged.get(_hex(volume.old_uuid)))
            self.of_boot.setdefault(number, {})[volume.old] = root

    @functools.cached_property
    def _staged(self) -> dict[str, bytes]:
        """Return the subvolumes that a switch has left in staging, by UUID: the next boot archives them."""
        try:
            names = os.listdir(self._machine.at(STAGING))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        paths = (STAGING + b"/" + name for name in names)
        return {info.uuid.hex(): path for path in paths if (info := self._info(path)) is not None}

    def add_archive(self, archive: bytes, blanks: Iterable[bytes | None]) -> None:
        """Add the old roots in the archive that no record names."""
        try:
            names = os.listdir(self._machine.at(archive))
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            path = archive + b"/" + name
            info = None if path in self._seen or path in blanks else self._info(path)
            if info is None:
                continue
            parsed = self._parse(name)
            if parsed is None:
                self._add_strange(path, parse_classic_name(name) or ClassicName(), info)
                continue
            number, boot_id, volume = parsed
            if boot_id != NO_BOOT_ID:
                self.boot_ids.setdefault(number, boot_id)
            self.of_boot.setdefault(number, {})[path] = _old_root(path, number, volume, info)

    def add_classic(self, archive: bytes) -> None:
        """Add those that the well-known scripts have put elsewhere: as they name them, and writable, as no
        snapshot of another tool is.
        """
        for directory in CLASSIC_ARCHIVES:
            names: list[bytes] = []
            if directory != archive and not os.path.islink(self._machine.at(directory)):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    names = os.listdir(self._machine.at(directory))
            for name in names:
                found, path = parse_classic_name(name), directory + b"/" + name
                info = self._info(path) if found is not None and path not in self._seen else None
                if found is not None and info is not None and not info.flags & BTRFS_ROOT_SUBVOL_RDONLY:
                    self._add_strange(path, found, info)

    def _add_strange(self, path: bytes, name: ClassicName, info: btrfsutil.SubvolumeInfo) -> None:
        volume = name.volume if name.volume in self._volumes else None
        root = _old_root(path, None, volume, info)
        self.strange.append(Boot(None, name.boot_id, name.time or info.otime, old_roots=(root,)))

    def _parse(self, name: bytes) -> tuple[int, str, str] | None:
        for spelling in (name, first_spelling(name)):
            parsed = parse_archive_name(spelling)
            if parsed is not None and (parsed[2] is None or parsed[2] in self._volumes):
                return parsed[0], parsed[1], parsed[2] or self._volumes[0]
        return None

    def _info(self, path: bytes) -> btrfsutil.SubvolumeInfo | None:
        where = self._machine.at(path)
        try:
            return None if os.path.islink(where) else btrfsutil.subvolume_info(where)
        except btrfsutil.BtrfsUtilError:  # nothing is there, or something else than a subvolume
            return None


def _old_root(
    path: bytes,
    number: int | None,
    volume: str | None,
    info: btrfsutil.SubvolumeInfo | None,
    archived: int | None = None,
) -> OldRoot:
    if info is None:
        return OldRoot(path, number, volume, archived=archived)
    return OldRoot(path, number, volume, info.id, info.uuid, archived)


def _hex(uuid: str) -> str:
    return uuid.replace("-", "")


def number_of(wanted: int, config: Config, machine: Machine) -> int:
    """Return the number of a boot: itself, or counted back from the running one, as in `History.boot`."""
    if wanted >= 0:
        return wanted
    number = read(machine, config.archive.directory, this_boot_id()).boot(wanted).number
    assert number is not None
    return number


def old_roots_of(history: History, machine: Machine, volume: Volume) -> Iterator[tuple[Boot, OldRoot]]:
    """Yield the old roots of a volume that exist, each with its boot, the newest first."""
    first = volume.name == machine.volumes[0].name
    for boot in history.boots:
        for root in boot.old_roots:
            if root.there and (root.volume == volume.name or (root.volume is None and first)):
                yield boot, root


def bootable(history: History, wanted: int) -> int:
    """Return the number of a boot whose old roots the hook would find.  Raises UsageError, which says what is
    missing.
    """
    boot = history.boot(wanted)
    hint = "impermanence boots"
    assert boot.number is not None
    if boot.ended == RUNNING:
        raise UsageError(f"boot {boot.number} is the running one", "impermanence next keep")
    if boot.went_on is not None:
        raise UsageError(f"boot {boot.number} has no old root: boot {boot.went_on} kept it", hint)
    for name in history.volumes:
        suffix = None if name == history.volumes[0] else name
        names = [
            parsed
            for root in boot.old_roots
            if root.there and os.path.dirname(root.path) == history.archive
            if (parsed := parse_archive_name(os.path.basename(root.path))) and parsed[2] == suffix
        ]
        waits = next((root.waits for root in boot.old_roots if root.volume == name and root.waits), None)
        if not names and waits is not None:
            raise UsageError(
                f"old root {boot.number} of volume {name} waits in {to_text(waits)}",
                "the next boot archives it: ask again then",
            )
        if not names:
            gone = " any more" if any(root.volume == name for root in boot.old_roots) else ""
            raise UsageError(f"there is no old root {boot.number} of volume {name}{gone}", hint)
        if len(names) > 1:
            raise UsageError(f"there are several old roots {boot.number} of volume {name}", hint)
    return boot.number
