"""From entries to what is worth saying: one alert a directory and writer, each path once, not too many."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from ..losses import LossClass, weight
from ..model import Change, Entry, FileType, Writer
from ..watch.ledger import Origin
from .seen import Said

BURST = 20  # alerts at once
PER_SECOND = 0.5  # and after that
ROOT = 0
REMEMBERED = 200_000  # paths that are not said again


@dataclass(frozen=True, slots=True)
class Alert:
    path: bytes  # the path, or the directory of all of them
    count: int
    size: int  # bytes
    verdict: str
    change: str  # of all of them, or "changed"
    loss: LossClass  # the worst of all of them
    writer: Writer | None  # of the entry that was written last
    score: int  # the highest of all of them
    owner: int | None = None  # of a crowd: the uid that all have who were looked at


@dataclass(frozen=True, slots=True)
class Rest:
    """What many alerts come to: those held back, or a whole boot's."""

    path: bytes  # the directory of all of them
    groups: int
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Tidings:
    """What there is to say of many entries."""

    count: int  # paths that are undeclared, also those that were said before
    size: int  # bytes of these
    groups: tuple[Alert | Rest, ...]  # worst first, as many as can be said at once; then the sum of the rest
    of_users: Mapping[int, tuple[Alert | Rest, ...]]  # the same of what belongs to each user but root


def rank(alert: Alert) -> tuple[int, int]:
    """Return a key that sorts as `status` does: what hurts most first, of what hurts alike the biggest."""
    return -alert.score, -alert.size


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
    """What makes two writers one, for a person."""
    return (writer.unit.encode() or writer.exe or writer.comm) if writer else b""


def crowd_alert(directory: bytes, entries: Sequence[Entry], count: int, size: int) -> Alert:
    """About `count` files below a directory, of which the entries are some."""
    owners = {entry.difference.uid for entry in entries}
    owner = owners.pop() if len(owners) == 1 else None
    alert = _alert(directory, entries)
    return dataclasses.replace(alert, path=directory, count=count, size=size, owner=owner)


def plus(alert: Alert, more: Alert) -> Alert:
    """About the same directory and writer."""
    return dataclasses.replace(more, count=alert.count + more.count, size=alert.size + more.size,
                               loss=max(alert.loss, more.loss, key=weight),
                               score=max(alert.score, more.score),
                               owner=more.owner if more.owner == alert.owner else None)  # fmt: skip


def _top(path: bytes, made: Set[bytes]) -> bytes | None:
    """The outermost directory in `made` that holds the path."""
    end = path.find(b"/", 1)
    while end >= 0:
        if path[:end] in made:
            return path[:end]
        end = path.find(b"/", end + 1)
    return None


def group(entries: Sequence[Entry]) -> list[Alert]:
    """One for each directory and writer (its unit, else its program), worst first.

    A tree that was made as a whole is one directory: its top.
    """
    made = {
        entry.difference.path
        for entry in entries
        if entry.difference.type is FileType.DIRECTORY and entry.difference.change is Change.CREATED
    }
    tops = [_top(entry.difference.path, made) for entry in entries]
    trees = set(tops)
    groups: dict[tuple[bytes, bytes], list[Entry]] = {}
    for entry, top in zip(entries, tops, strict=True):
        path = entry.difference.path
        place = top or (path if path in trees else os.path.dirname(path))
        groups.setdefault((place, who(entry.writer)), []).append(entry)
    return sorted((_alert(directory, members) for (directory, _), members in groups.items()), key=rank)


def rest(alerts: Sequence[Alert | Rest]) -> Rest:
    return Rest(
        path=os.path.commonpath([alert.path for alert in alerts]),
        groups=sum(alert.groups if isinstance(alert, Rest) else 1 for alert in alerts),
        count=sum(alert.count for alert in alerts),
        size=sum(alert.size for alert in alerts),
    )


def _worst(found: Sequence[Alert]) -> tuple[Alert | Rest, ...]:
    return (*found[:BURST], rest(found[BURST:])) if found[BURST:] else tuple(found)


def tidings(fresh: Sequence[Entry], undeclared: Sequence[Entry]) -> Tidings:
    """`fresh` are those of the undeclared that were not said before."""
    owned: dict[int, list[Entry]] = {}
    for entry in fresh:
        if entry.difference.uid != ROOT:
            owned.setdefault(entry.difference.uid, []).append(entry)
    return Tidings(
        count=len(undeclared),
        size=sum(entry.difference.size for entry in undeclared),
        groups=_worst(group(fresh)),
        of_users={uid: _worst(group(theirs)) for uid, theirs in owned.items()},
    )


class Restraint:
    """What was said already, and how much more may be said now (a token bucket)."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._tokens = float(burst)
        self._then = 0.0
        self._said = Said(REMEMBERED)

    def unsaid(self, paths: Sequence[bytes]) -> list[int]:
        """Which of them were not said before; from now on they were."""
        # The hash is keyed with this process's secret: nobody can choose a collision.
        return [index for index, path in enumerate(paths) if self._said.add(hash(path))]

    def fresh(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those whose path was not said before; from now on it was."""
        asked = list(entries)
        return [asked[index] for index in self.unsaid([entry.difference.path for entry in asked])]

    def admit(self, alerts: Sequence[Alert], now: float) -> tuple[Sequence[Alert], Sequence[Alert]]:
        """What to say, and what to hold back."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._per_second)
        self._then = now
        count = min(len(alerts), int(self._tokens))
        self._tokens -= count
        return alerts[:count], alerts[count:]
