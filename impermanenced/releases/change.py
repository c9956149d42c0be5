"""A change of the blank: a copy of it is changed, looked at, and becomes the blank of the next boot.

The running system stays as it is, and whatever fails leaves the blank as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..boots import history
from ..boots.doctor import Finding
from ..config.load import Config
from ..errors import ImpermanenceError, UsageError
from ..model import Difference, Volume
from ..volumes.machine import Machine
from . import along, boot, bootable, difference, listing, lock, promotion, staging
from .along import NOTHING, Along
from .listing import Known, Place
from .record import Maker

Edit = Callable[[Place], Iterable[bytes]]  # it returns the names in /boot that went


@dataclass(frozen=True, slots=True)
class Changed:
    """The outcome of a change."""

    release: Known | None  # None: nothing was promoted, since it was a trial, or nothing was different
    before: Known
    findings: Sequence[Finding]  # what is wrong with it, and did not keep it from being promoted
    along: Along = NOTHING


def change(
    config: Config,
    machine: Machine,
    volume: Volume,
    maker: Maker,
    words: str,
    edit: Edit,
    *,
    source: bytes | None = None,
    dry_run: bool = False,
    progress: promotion.Progress = promotion.quiet,
) -> Changed:
    """Make a release of the blank (or of `source`) with what `edit` does to it, and make it the blank.

    Raises what `edit` raises, and ImpermanenceError if the release could not boot; nothing is changed then.
    """
    with lock.held(machine):
        promotion.refuse_fixed(machine, volume)
        if dry_run:
            return _tried(config, machine, volume, edit, source)
        base = promotion.count_current(machine, volume)
        promotion.settle(machine, volume)
        before = promotion.current(machine, volume)
        with staging.staged(machine, source or volume.blank or b"") as place:
            gone = edit(place)
            found = looked_at(config, machine, volume, place)
            changes = _in_boot(machine, volume, before, place)
            release = promotion.close(machine, volume, maker, words, base, progress)
        promotion.promote(machine, volume, release)
        return Changed(release, before, found, along.bring(machine, volume, changes, gone))


def _in_boot(machine: Machine, volume: Volume, before: Known, place: Place) -> list[Difference]:
    """Return in what a release differs from the blank that it replaces, as far as it is about /boot."""
    if volume.path != b"/" or before.place is None:
        return []
    if not bootable.is_followed(volume.mountpoint, machine.at(place.path)):
        return []
    return boot.changes_of(difference.changes(machine, volume, before.place, place))


def _tried(config: Config, machine: Machine, volume: Volume, edit: Edit, source: bytes | None) -> Changed:
    before = promotion.current(machine, volume)
    with staging.staged(machine, source or volume.blank or b"") as place:
        edit(place)
        return Changed(None, before, looked_at(config, machine, volume, place))


def looked_at(config: Config, machine: Machine, volume: Volume, place: Place) -> list[Finding]:
    """Return what is wrong with a staged release.  Raises ImpermanenceError if it could not boot."""
    hook = history.rollback_env(machine) is not None
    found = bootable.examine(config, machine, volume, place, hook=hook)
    if errors := bootable.errors(found):
        first = errors[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise ImpermanenceError(f"it could not boot: {first.what}{more}; nothing was changed", first.hint)
    return found


def revert(config: Config, machine: Machine, volume: Volume, number: int) -> Changed:
    """Make release `number` the blank of the next boot.

    Raises UsageError if that cannot be, and ImpermanenceError if it could not boot.
    """
    with lock.held(machine):
        promotion.refuse_fixed(machine, volume)
        promotion.count_current(machine, volume)
        promotion.settle(machine, volume)
        releases = listing.read(machine, volume)
        release, before = releases.of(number), releases.current
        if release.current:
            raise UsageError(f"release {release.number} is the blank already", "impermanence blank list")
        if release.place is None:
            raise UsageError(f"release {release.number} was deleted", "impermanence blank list")
        if release.written:
            what = f"somebody has written to release {release.number} since it was closed"
            raise ImpermanenceError(what, f"impermanence blank verify {release.number}")
        found = looked_at(config, machine, volume, release.place)
        changes = _in_boot(machine, volume, before, release.place)
        promotion.revert(machine, volume, release)
        return Changed(release, before, found, along.bring(machine, volume, changes))
