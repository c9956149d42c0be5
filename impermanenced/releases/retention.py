"""The end of old releases: which ones `prune` deletes, by the settings that old roots have.

Kept whatever their age: the blank; the one before, which takes over if the blank cannot boot; the newest one
with a good boot; the one that a volume was made from, since reports compare with it; the newest `keep-min`
others; what is mounted, or was written to.  A half-made one that the hook found in staging/ goes at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..boots.old_roots import Archive
from ..boots.prune import protection
from ..boots.prune.protection import Protected
from ..boots.prune.tree import Stop
from ..config.load import ArchiveSettings, Config
from ..errors import ImpermanenceError
from ..lazy import regex
from ..model import Volume
from ..state import BOOT_NUMBER, UUID, release_file, uuid_text
from ..text import failure_to_text
from ..volumes.machine import Machine
from . import listing, lock, staging
from .listing import Known, Place, Releases

DAY = 86400
_HALF_MADE = regex(rf"(?:{BOOT_NUMBER})-recovered-{UUID}\.blank\.next(?:-[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Old:
    """A release that is not the blank, or a half-made one."""

    volume: Volume
    place: Place
    number: int | None = None  # None: a half-made one


@dataclass(frozen=True, slots=True)
class Plan:
    """The fate of every release that is there and is not a blank."""

    go: tuple[Old, ...]
    stay: tuple[tuple[Old, str], ...]  # with the reason


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a run."""

    gone: tuple[Old, ...]
    failed: tuple[tuple[Old, str], ...]


def look(config: Config, machine: Machine, archive: Archive, now: float) -> Plan:
    """Return what would go now."""
    guard = protection.look(config, machine, archive)
    go: list[Old] = []
    stay: list[tuple[Old, str]] = []
    for volume in machine.volumes:
        if volume.blank_id is None:
            continue
        releases = listing.read(machine, volume)
        reasons = _reasons(machine, releases, config.archive, now)
        for known in reversed(releases.known):
            if known.place is None or known.current or known.release is None:
                continue
            old = Old(volume, known.place, known.number)
            reason = _protected(machine, guard, known.place) or reasons.get(known.release.uuid)
            if reason is None:
                go.append(old)
            else:
                stay.append((old, reason))
    go += [old for old in _half_made(config, machine) if _protected(machine, guard, old.place) is None]
    return Plan(tuple(go), tuple(stay))


def _protected(machine: Machine, guard: Protected, place: Place) -> str | None:
    return guard.reason(place.path, frozenset({place.id}) | machine.nested(place.id))


def _reasons(
    machine: Machine, releases: Releases, settings: ArchiveSettings, now: float
) -> Mapping[str, str]:
    """Return {UUID of a release: why it stays}."""
    found: dict[str, str] = {}
    others = [one for one in releases.known if one.place is not None and not one.current and one.release]
    after: float | None = None
    for known in releases.known:  # the newest first
        if known.release is None:
            continue
        if after is not None and now - after < settings.keep_days * DAY:
            found[known.release.uuid] = "its keep-days are not over"
        after = known.release.time
    for known in others[: settings.keep_min]:
        found[_uuid(known)] = f"one of the {settings.keep_min} newest"
    good = [one for one in releases.known if one.good is not None and one.place is not None]
    if good:
        found[_uuid(max(good, key=lambda one: one.good or 0))] = "the newest one with a good boot"
    mine = machine.subvolume(releases.volume.root_id).parent_uuid
    for known in others:
        if known.before:
            found[_uuid(known)] = "it takes over if the blank cannot boot"
        elif known.written:
            found[_uuid(known)] = "somebody has written to it"
        elif _uuid(known) == uuid_text(mine):
            found[_uuid(known)] = "this boot was started from it"
    return found


def _uuid(known: Known) -> str:
    return known.release.uuid if known.release is not None else ""


def _half_made(config: Config, machine: Machine) -> Iterator[Old]:
    """Yield what the hook has archived of releases that were being made when the power went."""
    directory = config.archive.directory
    blanks = {one.uuid: volume for volume in machine.volumes for one in _places(machine, volume)}
    if not os.path.isdir(machine.at(directory)):
        return
    for text in sorted(os.listdir(machine.at(directory))):
        if _HALF_MADE.fullmatch(os.fsdecode(text)):
            place = listing.place_of(machine, os.path.join(directory, os.fsencode(text)))
            if place is not None and not place.read_only and place.parent in blanks:
                yield Old(blanks[place.parent], place)


def _places(machine: Machine, volume: Volume) -> list[Place]:
    if volume.blank_id is None:
        return []
    return [one.place for one in listing.read(machine, volume).known if one.place is not None]


def run(config: Config, machine: Machine, archive: Archive, agreed: Plan, stop: Stop) -> Done:
    """Delete what was agreed on and is still not protected, each after a last look.

    The lock of the archive must be held; that of the releases is taken.  A release that is deleted has its
    record still: no number comes twice.
    """
    gone: list[Old] = []
    failed: list[tuple[Old, str]] = []
    with lock.held(machine):
        for old in agreed.go:
            if stop.is_set():
                break
            try:
                guard = protection.look(config, machine, archive)
                if reason := _protected(machine, guard, old.place):
                    raise ImpermanenceError(reason)
                staging.delete(machine, old.place)
                if old.number is not None:
                    os.unlink(machine.at(release_file(old.volume.name, old.number, manifest=True)))
            except ImpermanenceError as error:
                failed.append((old, error.message))
            except OSError as error:
                failed.append((old, failure_to_text(error)))
            else:
                gone.append(old)
        machine.sync()
    return Done(tuple(gone), tuple(failed))
