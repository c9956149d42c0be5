"""The deletion of old roots.

Each deletion is decided anew from what is there at that moment.  Earlier decisions only narrow it: an old
root is deleted only if the plan that the person saw names it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import btrfsutil

from ...config.load import ArchiveSettings, Config
from ...errors import ImpermanenceError
from ...volumes.machine import Machine
from .. import leftovers
from ..old_roots import EPOCH, Archive, Found, OldRoot, by_age
from . import protection, tree
from .sizes import Sizes
from .tree import Stop

DAY = 86400
# A hardware clock that runs on local time is up to 14 hours ahead in the initrd, which knows no time zone.
LOCAL_TIME = 14 * 3600
CLEANER_PATIENCE = 600.0  # seconds until the space of one old root must have come back
CLEANER_PAUSE = 0.2
NONE: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Now:
    """The clocks at one moment."""

    clock: float  # seconds since 1970
    uptime: float  # since this boot, with the time asleep
    boot_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The fate of every known old root: each is in one of the four, the oldest first."""

    go: tuple[OldRoot, ...]
    over: tuple[OldRoot, ...]  # these go as well, so that the rest holds no more than keep-bytes
    spare: tuple[OldRoot, ...]  # these go one by one while space is short
    stay: tuple[tuple[OldRoot, str], ...]  # these stay, with the reason
    refused: str | None  # why nothing goes at all
    found: Found
    now: float  # the time from which ages are counted
    sizes: Mapping[int, int]  # bytes by id of the old root; they add up to what all hold; empty: not measured
    unused: tuple[OldRoot, ...] = ()  # new roots that nobody ever wrote to go as well
    plans: tuple[int, ...] = ()  # numbers of the plans for such roots, which go with them
    faults: Mapping[int, str] = field(default_factory=dict)  # by id, what could not be read of an old root

    @property
    def may_go(self) -> tuple[OldRoot, ...]:
        """Return the subvolumes that the plan allows to delete."""
        return self.unused + self.go + self.over + self.spare

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to delete."""
        return not self.may_go and not self.plans


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a run."""

    gone: tuple[OldRoot, ...]
    failed: tuple[tuple[OldRoot, str], ...]
    left: int  # how many of the plan were left: the run was stopped, or the space was enough
    stopped: bool
    plans: tuple[bytes, ...] = ()  # paths of the plans that are gone
    settled: bool = True  # whether the space has come back


# Deciding


def plan(
    found: Found,
    settings: ArchiveSettings,
    now: Now,
    *,
    short: bool,
    protected: Mapping[int, str],
    limit: int = 0,
    sizes: Sizes | None = None,
    untold: Mapping[int, str] = NONE,
) -> Plan:
    """Decide which old roots go, and return the plan.

    An old one stays while nobody has looked at what it lost, or where nobody can tell (`untold`: {id: why}),
    unless space is short.  `short` says that less is free than free-min; `protected` is {id of an old root:
    why it may not go}; `limit` is keep-bytes, or 0 for none, and needs `sizes`.
    """
    then = _now(found, now)
    refused = _refusal(found, now)
    reasons = _reasons(found, settings, protected)
    go: list[OldRoot] = []
    young: list[OldRoot] = []
    waiting: dict[int, str] = {}  # by id, why an old one waits: nobody has looked at what it lost
    stay: list[tuple[OldRoot, str]] = []
    for root in found.roots:
        if refused is not None or root.id in reasons:
            stay.append((root, refused or reasons[root.id]))
        elif root.archived is None or root.archived > then:
            stay.append((root, "nobody knows when it was put away"))
        elif then - root.archived >= settings.keep_days * DAY and not (
            why := untold.get(root.id) or unreviewed(found, settings, root)
        ):
            go.append(root)
        elif then - root.archived >= settings.keep_days * DAY:
            waiting[root.id] = why
            young.append(root)
        else:
            young.append(root)
    # Shared data counts for the one that stays longest, so each counts with what its deletion frees.
    order = [*(root for root, _ in stay), *reversed(young), *reversed(go)]
    weights = sizes.of(found, order) if sizes is not None else {}
    held = sum(weights.values()) - sum(weights[root.id] for root in go if weights)
    over = _over(young, held, limit, weights) if limit else []
    young = young[len(over) :]
    spare = young if short else []
    if not short:
        days = f"younger than {settings.keep_days} days"
        stay += [(root, waiting.get(root.id, days)) for root in young]
        stay.sort(key=lambda one: by_age(one[0]))
    unused = tuple(root for root in found.unused if refused is None and root.id not in protected)
    stay += [(root, refused or protected[root.id]) for root in found.unused if root not in unused]
    fates = tuple(go), tuple(over), tuple(spare), tuple(stay)
    return Plan(*fates, refused, found, then, weights, unused)


def _over(young: list[OldRoot], held: int, limit: int, weights: Mapping[int, int]) -> list[OldRoot]:
    """Return the oldest of those that may go, until the rest is within the limit."""
    over = []
    for root in young:
        if held <= limit:
            break
        over.append(root)
        held -= weights[root.id]
    return over


def _now(found: Found, now: Now) -> float:
    """Return the earlier of the clock now and the clock of the initrd, carried on.

    The times of records are the initrd's.  A clock that has been put forward since makes nothing older.
    """
    record = found.records.get(found.newest) if found.newest is not None else None
    if record is None or record.boot_id != now.boot_id:
        return now.clock
    return min(now.clock, record.time + now.uptime)


def _refusal(found: Found, now: Now) -> str | None:
    if found.newest is None:
        return None
    newest = found.records.get(found.newest)
    if newest is None:
        return f"the newest record, of boot {found.newest}, cannot be read"
    if now.clock < max(EPOCH, newest.time - LOCAL_TIME):
        return f"the clock is behind the record of boot {found.newest}: ages mean nothing"
    if found.good and not (newest.boot_id == now.boot_id and found.newest in found.good):
        return "this boot has not been found good yet"
    return None


def _reasons(found: Found, settings: ArchiveSettings, protected: Mapping[int, str]) -> dict[int, str]:
    """Return {id of an old root: why it stays whatever its age}."""
    reasons = dict(protected)
    newest_first: dict[str | None, list[OldRoot]] = {}
    for root in reversed(found.roots):
        newest_first.setdefault(root.volume, []).append(root)
    kept = {root.id for roots in newest_first.values() for root in roots[: settings.keep_min]}
    good = max((root.number for root in found.roots if root.number in found.good), default=None)
    newest = found.records.get(found.newest) if found.newest is not None else None
    for root in found.roots:
        if root.id in reasons:
            continue
        if root.number in found.pins:
            reasons[root.id] = "pinned"
        elif found.next is not None and found.next.boot == root.number:
            reasons[root.id] = "the next boot was asked to start from it"
        elif newest is not None and newest.boot == root.number:
            reasons[root.id] = "this boot was started from it"
        elif root.number == good:
            reasons[root.id] = "the newest one of a good boot"
        elif root.id in kept:
            reasons[root.id] = f"one of the {settings.keep_min} newest"
    return reasons


def unreviewed(found: Found, settings: ArchiveSettings, root: OldRoot) -> str:
    """Return why an old root waits to be reviewed, or "" if it need not be."""
    lost = found.lost.get(root.number) if root.number is not None else None
    if lost is None or lost.worst not in settings.keep_unreviewed or root.number in found.reviewed:
        return ""
    return f"not reviewed: it lost {lost.worst}"


def look(
    config: Config,
    machine: Machine,
    archive: Archive,
    now: Now,
    sizes: Sizes | None = None,
    untold: Mapping[int, str] = NONE,
) -> Plan:
    """Return the plan of what would go now.

    `untold` is {id of an old root: why nobody can tell what it lost}.  The old roots are measured if
    keep-bytes is set, or if `sizes` is given.
    """
    found = archive.read()
    guard = protection.look(config, machine, archive)
    protected, faults = {}, {}
    for root in found.roots + found.unused:
        try:
            reason = guard.reason(root.path, frozenset({root.id}) | machine.nested(root.id))
        except OSError as error:
            reason = faults[root.id] = f"it cannot be read: {error.strerror}"
        if reason:
            protected[root.id] = reason
    whole = machine.size()
    limit = config.archive.keep_bytes.of(whole)
    if limit and sizes is None:
        sizes = Sizes(machine)
    decided = plan(
        found,
        config.archive,
        now,
        short=free(machine) < config.archive.free_min.of(whole),
        protected=protected,
        limit=limit,
        sizes=sizes,
        untold=untold,
    )
    faults |= sizes.faults if sizes is not None else {}
    return replace(decided, plans=_idle_plans(machine, decided), faults=faults)


def _idle_plans(machine: Machine, decided: Plan) -> tuple[int, ...]:
    """Return the numbers of the plans that nothing is left of once the unused roots are gone."""
    found = decided.found
    if decided.refused is not None or not found.plans:
        return ()
    there = machine.subvolumes().keys() - {root.uuid for root in decided.unused}
    return tuple(leftovers.idle_plans(found.plans, there, found.records.values()))


def free(machine: Machine) -> int:
    """Return how many bytes are free."""
    status = os.fstatvfs(machine.top)
    return status.f_bavail * status.f_frsize


# Doing


def run(
    config: Config,
    machine: Machine,
    archive: Archive,
    agreed: Plan,
    *,
    now: Callable[[], Now],
    stop: Stop,
    progress: Callable[[OldRoot], None],
    sizes: Sizes | None = None,
    untold: Mapping[int, str] = NONE,
) -> Pruned:
    """Delete what was agreed on and still may go, the oldest first.

    A failure in the middle leaves an old root with fewer subvolumes nested in it; the next run goes on.  No
    failure of one old root keeps the others from their turn.  At the end the space is waited for.
    """
    names = {(root.id, root.uuid, root.path) for root in agreed.may_go}
    gone: list[OldRoot] = []
    failed: list[tuple[OldRoot, str]] = []
    if sizes is None and config.archive.keep_bytes.amount:
        sizes = Sizes(machine)
    try:
        while not stop.is_set():
            fresh = look(config, machine, archive, now(), sizes, untold)
            tried = {root.id for root in gone} | {root.id for root, _ in failed}
            waiting = [root for root in fresh.unused + fresh.go + fresh.over if root.id not in tried]
            if not waiting and fresh.spare and _settled(machine, stop):
                fresh = look(config, machine, archive, now(), sizes, untold)
                waiting = [root for root in fresh.may_go if root.id not in tried]
            waiting = [root for root in waiting if (root.id, root.uuid, root.path) in names]
            if not waiting:
                break
            root = waiting[0]
            try:
                done = tree.delete(config, machine, archive, root, stop)
            except Exception as error:  # of whatever kind: its writers chose what lies in an old root
                failed.append((root, _words(error)))
                continue
            if done:
                gone.append(root)
                progress(root)
        plans = _forget_plans(config, machine, archive, agreed, now(), stop)
    finally:
        # A power cut undoes a deletion that is not committed.
        machine.sync()
    settled = not gone or (not stop.is_set() and _settled(machine, stop))
    left = len(agreed.may_go) - len(gone) - len(failed)
    return Pruned(tuple(gone), tuple(failed), left, stop.is_set(), plans, settled)


def _forget_plans(
    config: Config, machine: Machine, archive: Archive, agreed: Plan, now: Now, stop: Stop
) -> tuple[bytes, ...]:
    """Remove the agreed plans whose new roots are gone by now, and return their paths."""
    if not agreed.plans or stop.is_set():
        return ()
    fresh = look(config, machine, archive, now)
    gone = {root.uuid for root in fresh.unused}
    idle = [number for number in fresh.plans if not fresh.found.plans[number] & gone]
    return tuple(archive.forget_plans(number for number in idle if number in agreed.plans))


def _words(error: Exception) -> str:
    if isinstance(error, ImpermanenceError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return f"{type(error).__name__}: {error}"


def _settled(machine: Machine, stop: Stop) -> bool:
    """Wait until the space of deleted subvolumes has come back; return False if stopped, or if it took too
    long.
    """
    machine.sync()
    for _ in range(math.ceil(CLEANER_PATIENCE / CLEANER_PAUSE)):
        if not btrfsutil.deleted_subvolumes(machine.top):
            machine.sync()
            return True
        if stop.wait(CLEANER_PAUSE):
            break
    return False
