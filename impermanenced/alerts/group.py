"""The groups of entries that are worth an alert: one for each directory and writer, each path once, not too
many.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from ..losses import LossClass, weight
from ..model import Change, Entry, FileType, Verdict, Writer
from ..watch.ledger import Origin
from .seen import SeenPaths

BURST = 20  # alerts at once, at most
PER_SECOND = 0.5  # alerts after a burst
ROOT = 0
REMEMBERED = 200_000  # paths that are not announced again


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: a path, or several paths in one directory."""

    path: bytes  # the path, or the directory that all paths are in
    count: int
    size: int  # bytes
    verdict: str
    change: str  # the change that all have, or "changed"
    loss: LossClass  # the worst of all of them
    writer: Writer | None  # the writer of the entry that was written last
    score: int  # the highest of all of them
    owner: int | None = None  # of bulk: the uid that the whole sample has


@dataclass(frozen=True, slots=True)
class Rest:
    """The sum of many alerts: those held back, or those of a whole boot."""

    path: bytes  # the directory that all paths are in
    groups: int
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Announcements:
    """Everything that there is to announce of many entries."""

    count: int  # undeclared paths, with those that were announced before
    size: int  # the bytes of these
    groups: tuple[Alert | Rest, ...]  # the worst first, as many as one burst; then the sum of the others
    of_users: Mapping[int, tuple[Alert | Rest, ...]]  # such groups of what belongs to each user but root


def rank(alert: Alert) -> tuple[int, int, bytes]:
    """Return a key that sorts as `status` does: declared ones, the worst, and of equals the largest first."""
    return -alert.score - 1000 * (alert.verdict == Verdict.DECLARED), -alert.size, alert.path


def _last(entry: Entry) -> float:
    return entry.writer.last if entry.writer else 0.0


def _alert(directory: bytes, entries: Sequence[Entry]) -> Alert:
    changes = {entry.difference.change.value for entry in entries}
    return Alert(
        path=entries[0].difference.path if len(entries) == 1 else directory,
        count=len(entries),
        size=sum(entry.difference.size for entry in entries),
        verdict=entries[0].verdict.value,
        change=changes.pop() if len(changes) == 1 else "changed",
        loss=max((entry.loss or LossClass.UNKNOWN for entry in entries), key=weight),
        writer=max(entries, key=_last).writer,
        score=max(entry.score for entry in entries),
    )


def who(writer: Writer | Origin | None) -> bytes:
    """Return what two writers must have in common to be one for a person: the unit, or else the program."""
    return (writer.unit.encode() or writer.exe or writer.comm) if writer else b""


def bulk_alert(directory: bytes, entries: Sequence[Entry], count: int, size: int) -> Alert:
    """Return an alert on `count` files below a directory, some of which are the entries."""
    owners = {entry.difference.uid for entry in entries}
    owner = owners.pop() if len(owners) == 1 else None
    alert = _alert(directory, entries)
    return dataclasses.replace(alert, path=directory, count=count, size=size, owner=owner)


def plus(alert: Alert, more: Alert) -> Alert:
    """Return the sum of two alerts on the same directory and writer."""
    return dataclasses.replace(more, count=alert.count + more.count, size=alert.size + more.size,
                               loss=max(alert.loss, more.loss, key=weight),
                               score=max(alert.score, more.score),
                               owner=more.owner if more.owner == alert.owner else None)  # fmt: skip


def _top(path: bytes, made: Set[bytes]) -> bytes | None:
    """Return the outermost directory in `made` that holds the path, or None."""
    end = path.find(b"/", 1)
    while end >= 0:
        if path[:end] in made:
            return path[:end]
        end = path.find(b"/", end + 1)
    return None


def group(entries: Sequence[Entry]) -> list[Alert]:
    """Return one alert for each directory, writer and verdict, the worst first.

    A writer is its unit, or else its program.  A tree that was made as a whole counts as one directory: its
    top.
    """
    made = {
        entry.difference.path
        for entry in entries
        if entry.difference.type is FileType.DIRECTORY and entry.difference.change is Change.CREATED
    }
    tops = [_top(entry.difference.path, made) for entry in entries]
    trees = set(tops)
    groups: dict[tuple[bytes, bytes, str], list[Entry]] = {}
    for entry, top in zip(entries, tops, strict=True):
        path = entry.difference.path
        place = top or (path if path in trees else os.path.dirname(path))
        groups.setdefault((place, who(entry.writer), entry.verdict), []).append(entry)
    return sorted((_alert(directory, members) for (directory, *_), members in groups.items()), key=rank)


def rest(alerts: Sequence[Alert | Rest]) -> Rest:
    """Return the sum of these alerts."""
    return Rest(
        path=os.path.commonpath([alert.path for alert in alerts]),
        groups=sum(alert.groups if isinstance(alert, Rest) else 1 for alert in alerts),
        count=sum(alert.count for alert in alerts),
        size=sum(alert.size for alert in alerts),
    )


def _worst(found: Sequence[Alert]) -> tuple[Alert | Rest, ...]:
    return (*found[:BURST], rest(found[BURST:])) if found[BURST:] else tuple(found)


def announcements(fresh: Sequence[Entry], undeclared: Sequence[Entry]) -> Announcements:
    """Return what there is to announce; `fresh` are the undeclared entries that were not announced before."""
    owned: dict[int, list[Entry]] = {}
    for entry in fresh:
        if entry.difference.uid != ROOT:
            owned.setdefault(entry.difference.uid, []).append(entry)
    return Announcements(
        count=len(undeclared),
        size=sum(entry.difference.size for entry in undeclared),
        groups=_worst(group(fresh)),
        of_users={uid: _worst(group(theirs)) for uid, theirs in owned.items()},
    )


class RateLimit:
    """The memory of what was announced, and of how much more may be announced now (a token bucket)."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._tokens = float(burst)
        self._then = 0.0
        self._said = SeenPaths(REMEMBERED)

    def unannounced(self, paths: Sequence[bytes]) -> list[int]:
        """Return the indices of unannounced paths, and mark them announced."""
        # The hash is keyed with this process's secret: nobody can choose a collision.
        return [index for index, path in enumerate(paths) if self._said.add(hash(path))]

    def fresh(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries with unannounced paths, and mark these announced."""
        asked = list(entries)
        return [asked[index] for index in self.unannounced([entry.difference.path for entry in asked])]

    def admit(self, alerts: Sequence[Alert], now: float) -> tuple[Sequence[Alert], Sequence[Alert]]:
        """Return the alerts to announce now, and those to hold back."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._per_second)
        self._then = now
        count = min(len(alerts), int(self._tokens))
        self._tokens -= count
        return alerts[:count], alerts[count:]
