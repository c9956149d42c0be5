"""The releases of one volume: their records, and the subvolumes that these name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import btrfsutil

from ..boots import history, records
from ..boots.records import RollbackVolume
from ..errors import NotSetUp, RecordError, UsageError
from ..lazy import regex
from ..model import Volume
from ..state import (
    BOOTS,
    RELEASES,
    BootFile,
    boot_file,
    boot_files,
    parse_release_file,
    release_file,
    uuid_text,
)
from ..volumes.machine import Machine
from .record import Release, parse_release

BAD_BOOTS = 3  # as many of a new blank make it give way (initrd/rollback/numbers.h)

_BESIDE = regex(rb"@(?:next|([0-9]{1,9}))")


@dataclass(frozen=True, slots=True)
class Place:
    """A subvolume that is a release, or has the name of one."""

    path: bytes  # from the top level
    id: int
    uuid: str
    parent: str  # UUID of what it is a snapshot of
    transid: int  # of the last change of anything in it
    otransid: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A release, and where it is."""

    release: Release | None  # None: the blank, of which nobody has written a record
    place: Place | None  # None: it is gone
    current: bool = False  # it is what the next boot wipes to
    before: bool = False  # it takes over if three boots of the current one do not complete
    boots: int = 0  # how many recorded boots were wiped to it
    good: int | None = None  # the newest of these that completed

    @property
    def number(self) -> int | None:
        """Return its number, or None if nobody has counted it yet."""
        return None if self.release is None else self.release.number

    @property
    def failed(self) -> bool:
        """Return whether it has given way, or would, after boots that did not complete."""
        return not self.current and self.good is None and self.boots >= BAD_BOOTS

    @property
    def written(self) -> bool:
        """Return whether somebody has written to it since it was closed, or may have."""
        if self.release is None or self.place is None:
            return False
        return not self.place.read_only or self.place.transid > self.release.transid


@dataclass(frozen=True, slots=True)
class Releases:
    """All releases of one volume, the newest first, and what else has such a name."""

    volume: Volume
    known: tuple[Known, ...]
    strange: tuple[bytes, ...]  # subvolumes with the name of a release that no record is about
    broken: tuple[str, ...]  # records that cannot be read, and why
    highest: int  # number that anything here has

    @property
    def current(self) -> Known:
        """Return what the next boot wipes to."""
        return next(one for one in self.known if one.current)

    @property
    def next_number(self) -> int:
        """Return the number of the next release; none comes twice, whatever was deleted."""
        return self.highest + 1

    def of(self, number: int) -> Known:
        """Return a release by its number; a negative one counts back from the current.  Raises UsageError."""
        if number < 0:
            numbers = sorted((one.number for one in self.known if one.number), reverse=True)
            at = self.current.number
            older = [one for one in numbers if at is None or one < at]
            number = older[-number - 1] if -number <= len(older) else 0
        for one in self.known:
            if one.number == number:
                return one
        there = ", ".join(str(one.number) for one in self.known if one.number) or "none yet"
        what = f"there is no release {number}" if number else "there is no such release"
        raise UsageError(what, f"there are: {there}; impermanence blank list")

    def with_uuid(self, wanted: str | None) -> Known | None:
        """Return the release whose subvolume has, or had, this UUID."""
        return next((one for one in self.known if wanted is not None and _uuid_of(one) == wanted), None)


def _uuid_of(known: Known) -> str | None:
    if known.release is not None:
        return known.release.uuid
    return None if known.place is None else known.place.uuid


def volume_of(machine: Machine, name: str | None = None) -> Volume:
    """Return the volume of this name, or the root.  Raises UsageError, and NotSetUp if it has no blank."""
    for volume in machine.volumes:
        if volume.name == name or (name is None and volume.path == b"/"):
            if volume.blank is None or volume.blank_id is None:
                raise NotSetUp(
                    f"volume {volume.name} has no blank that could have releases", "impermanence setup"
                )
            return volume
    names = ", ".join(volume.name for volume in machine.volumes)
    if name is None:
        raise UsageError("no volume is the root: which one is meant?", f"--volume, one of {names}")
    raise UsageError(f"there is no volume {name}", f"one of {names}")


def read(machine: Machine, volume: Volume) -> Releases:
    """Return what is there now."""
    blank = volume.blank or b""
    there = {place.uuid: place for place in places(machine, blank)}
    written, broken = _records(machine, volume.name)
    obeyed = obeyed_volume(machine, volume)
    boots = _boots(machine, volume.name)
    before = None if obeyed is None else obeyed.before_uuid
    known, strange = [], []
    for name in dict.fromkeys([*written, *there]):
        place, release = there.get(name), written.get(name)
        current = place is not None and place.path == blank
        if release is None and not current:
            strange.extend([place.path] if place else [])
            continue
        count, good = boots.get(name, (0, None))
        known.append(
            Known(
                release,
                place,
                current=current,
                before=not current and name == before,
                boots=count,
                good=good,
            )
        )
    highest = max(_numbers(machine, volume), default=0)
    known.sort(key=lambda one: (one.number is None, one.number or 0), reverse=True)
    return Releases(volume, tuple(known), tuple(sorted(strange)), tuple(broken), highest)


def obeyed_volume(machine: Machine, volume: Volume) -> RollbackVolume | None:
    """Return what the record of the hook says of a volume, or None."""
    rollback = history.rollback_env(machine)
    return next((one for one in rollback.volumes if one.name == volume.name), None) if rollback else None


def place_of(machine: Machine, path: bytes) -> Place | None:
    """Return the subvolume at this path, or None if there is none."""
    if not machine.is_subvolume(path):
        return None
    place = machine.at(path)
    number = int(btrfsutil.subvolume_id(place))
    info = machine.subvolume(number)
    return Place(
        path,
        number,
        uuid_text(info.uuid),
        uuid_text(info.parent_uuid),
        info.ctransid,
        info.otransid,
        bool(btrfsutil.get_subvolume_read_only(place)),
    )


def places(machine: Machine, blank: bytes) -> Iterator[Place]:
    """Yield the blank of this path, if it is there, and the subvolumes beside it named as its releases."""
    directory, name = os.path.split(blank)
    for other in _names(machine, directory or b"."):
        if other == name or (other.startswith(name) and _BESIDE.fullmatch(other[len(name) :])):
            place = place_of(machine, os.path.join(directory, other))
            if place is not None:
                yield place


def _numbers(machine: Machine, volume: Volume) -> Iterator[int]:
    """Yield every number that a record or a subvolume of a release has, whether it can be read or not."""
    for text in _names(machine, RELEASES):
        named = parse_release_file(text)
        if named is not None and named[0] == volume.name:
            yield named[1]
    directory, name = os.path.split(volume.blank or b"")
    for text in _names(machine, directory or b"."):
        if text.startswith(name) and (match := _BESIDE.fullmatch(text[len(name) :])) and match[1]:
            yield int(match[1])


def _names(machine: Machine, directory: bytes) -> list[bytes]:
    """Return the names in a directory below the top level, sorted; none if there is no such directory."""
    try:
        return sorted(os.fsencode(name) for name in os.listdir(machine.at(directory)))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _records(machine: Machine, volume: str) -> tuple[dict[str, Release], list[str]]:
    """Return the records by UUID, and what is wrong with others."""
    found: dict[str, Release] = {}
    broken: list[str] = []
    for text in _names(machine, RELEASES):
        named = parse_release_file(text)
        if named is None or named[0] != volume:
            continue
        path = release_file(volume, named[1])
        try:
            release = parse_release(records.read(machine.at(path), path), path)
            if release.number != named[1]:
                raise RecordError(
                    f"{os.fsdecode(path)}: it says it is the record of release {release.number}"
                )
            found[release.uuid] = release
        except RecordError as error:
            broken.append(error.message)
    return found, sorted(broken)


def _boots(machine: Machine, volume: str) -> dict[str, tuple[int, int | None]]:
    """Return {UUID of a blank: (number of boots that were wiped to it, newest of them that was good)}."""
    found: dict[str, tuple[int, int | None]] = {}
    numbers = boot_files(_names(machine, BOOTS))
    for number in sorted(numbers[BootFile.RECORD]):
        path = boot_file(number, BootFile.RECORD)
        with contextlib.suppress(RecordError, FileNotFoundError):
            record = records.parse_record(records.read(machine.at(path), path), path)
            for one in record.volumes if record.action == "wiped" else ():
                if one.name == volume and one.source_uuid is not None:
                    count, good = found.get(one.source_uuid, (0, None))
                    good = number if number in numbers[BootFile.GOOD] else good
                    found[one.source_uuid] = count + 1, good
    return found
