"""The groups of entries that are worth an alert: one for each directory and writer, each path once, not too
many.

Whoever writes can cause alerts without end, so each user has an allowance of their own: the account that an
alert counts against is that of its writer, or where nobody knows the writer, of the file's owner.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from ..losses import LossClass, weight
from ..model import Change, Entry, FileType, Verdict, Writer
from ..watch.ledger import Origin
from ..watch.owners import UNKNOWN, owner_of
from ..watch.seen import HIGHEST, SeenNumbers

BURST = 20  # alerts at once, at most
PER_SECOND = 0.5  # alerts after a burst
ROOT = 0
REMEMBERED = 200_000  # paths that are not announced again, unless a worse loss is found there
ACCOUNTS = 1000  # allowances that are remembered; one that was not used for long is full anyway

# By how bad a loss is; a path that was announced is announced again when it turns out to be a worse one.
_RANKS = {loss: max(HIGHEST - place, 1) for place, loss in enumerate(LossClass)}

_TREES = (FileType.DIRECTORY, FileType.SUBVOLUME)

_SYSTEM = range(1000)  # accounts of the system; people have a memory of announced paths of their own

Asked = tuple[bytes, LossClass, int]  # a path, what would be lost there, and the account


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
    account: int = ROOT  # the owner (`watch.owners`) whose allowance it counts against


@dataclass(frozen=True, slots=True)
class Rest:
    """The sum of many alerts: those held back, or those of a whole boot."""

    path: bytes  # the directory that all paths are in
    groups: int
    count: int
    size: int
    account: int = UNKNOWN  # the one that all have


@dataclass(frozen=True, slots=True)
class Announcements:
    """Everything that there is to announce of many entries."""

    count: int  # undeclared paths, with those that were announced before
    size: int  # the bytes of these
    groups: tuple[Alert | Rest, ...]  # of each account the worst, as many as a burst; then sums of the others
    of_users: Mapping[int, tuple[Alert | Rest, ...]]  # such groups of what belongs to each user but root


def rank(alert: Alert) -> tuple[int, int, bytes]:
    """Return a key that sorts as `status` does: declared ones, the worst, and of equals the largest first."""
    return -alert.score - 1000 * (alert.verdict == Verdict.DECLARED), -alert.size, alert.path


def _last(entry: Entry) -> float:
    return entry.writer.last if entry.writer else 0.0


def account_of(entry: Entry) -> int:
    """Return the account that an entry counts against."""
    writer = entry.writer
    return owner_of(entry.difference.uid if writer is None or writer.uid is None else writer.uid)


def loss_of(entry: Entry) -> LossClass:
    """Return the class of an undeclared entry."""
    return entry.loss or LossClass.UNKNOWN


def asked_of(entry: Entry) -> Asked:
    """Return what is asked of an entry: whether it was announced."""
    return entry.difference.path, loss_of(entry), account_of(entry)


def _alert(directory: bytes, entries: Sequence[Entry]) -> Alert:
    changes = {entry.difference.change.value for entry in entries}
    return Alert(
        path=entries[0].difference.path if len(entries) == 1 else directory,
        count=len(entries),
        size=sum(entry.difference.held for entry in entries),
        verdict=entries[0].verdict.value,
        change=changes.pop() if len(changes) == 1 else "changed",
        loss=max(map(loss_of, entries), key=weight),
        writer=max(entries, key=_last).writer,
        score=max(entry.score for entry in entries),
        account=account_of(entries[0]),
    )


def who(writer: Writer | Origin | None) -> bytes:
    """Return what two writers must have in common to be one for a person: the unit, or else the program."""
    if writer is None:
        return b""
    return f"{writer.kind}:{writer.unit}".encode() if writer.unit else writer.exe or writer.comm


def bulk_alert(
    directory: bytes, entries: Sequence[Entry], count: int, size: int, account: int | None = None
) -> Alert:
    """Return an alert on `count` files below a directory, some of which are the entries."""
    owners = {entry.difference.uid for entry in entries}
    owner = owners.pop() if len(owners) == 1 else None
    alert = _alert(directory, entries)
    account = alert.account if account is None else account
    return dataclasses.replace(alert, path=directory, count=count, size=size, owner=owner, account=account)


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
    """Return one alert for each account, directory, writer and verdict, the worst first.

    A writer is its unit, or else its program.  A tree that was made as a whole counts as one directory: its
    top.
    """
    made = {
        entry.difference.path
        for entry in entries
        if entry.difference.type in _TREES and entry.difference.change is Change.CREATED
    }
    tops = [_top(entry.difference.path, made) for entry in entries]
    trees = set(tops)
    groups: dict[tuple[bytes, bytes, int, str], list[Entry]] = {}
    for entry, top in zip(entries, tops, strict=True):
        path = entry.difference.path
        place = top or (path if path in trees else os.path.dirname(path))
        key = place, who(entry.writer), account_of(entry), entry.verdict
        groups.setdefault(key, []).append(entry)
    return sorted((_alert(directory, members) for (directory, *_), members in groups.items()), key=rank)


def rest(alerts: Sequence[Alert | Rest]) -> Rest:
    """Return the sum of these alerts."""
    return Rest(
        path=os.path.commonpath([alert.path for alert in alerts]),
        groups=sum(alert.groups if isinstance(alert, Rest) else 1 for alert in alerts),
        count=sum(alert.count for alert in alerts),
        size=sum(alert.size for alert in alerts),
        account=alerts[0].account if len({alert.account for alert in alerts}) == 1 else UNKNOWN,
    )


def rests(alerts: Iterable[Alert | Rest]) -> list[Rest]:
    """Return the sum of these alerts for each account."""
    of_each: dict[int, list[Alert | Rest]] = {}
    for alert in alerts:
        of_each.setdefault(alert.account, []).append(alert)
    return [rest(own) for own in of_each.values()]


def worst(found: Iterable[Alert], most: int) -> tuple[list[Alert], list[Alert]]:
    """Return the first `most` of each account, and all others, both in the order in which they come."""
    named: list[Alert] = []
    others: list[Alert] = []
    counts: dict[int, int] = {}
    for alert in found:
        counts[alert.account] = count = counts.get(alert.account, 0) + 1
        (named if count <= most else others).append(alert)
    return named, others


def _worst(found: Sequence[Alert]) -> tuple[Alert | Rest, ...]:
    named, others = worst(found, BURST)
    return *named, *rests(others)


def announcements(fresh: Sequence[Entry], undeclared: Sequence[Entry]) -> Announcements:
    """Return what there is to announce; `fresh` are the undeclared entries that were not announced before."""
    owned: dict[int, list[Entry]] = {}
    for entry in fresh:
        if entry.difference.uid != ROOT:
            owned.setdefault(entry.difference.uid, []).append(entry)
    return Announcements(
        count=len(undeclared),
        size=sum(entry.difference.held for entry in undeclared),
        groups=_worst(group(fresh)),
        of_users={uid: _worst(group(theirs)) for uid, theirs in owned.items()},
    )


class RateLimit:
    """The memory of what was announced, and of how much more may be announced now (a token bucket for each
    account).
    """

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        self._burst = burst
        self._per_second = per_second
        self._tokens: dict[int, tuple[float, float]] = {}  # by account: tokens, and when; the latest last
        # Nobody else's paths, however many, make those of the system be announced again.
        self._said = SeenNumbers(REMEMBERED // 2), SeenNumbers(REMEMBERED // 2)

    def unannounced(self, asked: Sequence[Asked]) -> list[int]:
        """Return the indices of paths that were not announced, or not with so bad a loss, and mark them
        announced.
        """
        # The hash is keyed with this process's secret: nobody can choose a collision.
        return [
            index
            for index, (path, loss, account) in enumerate(asked)
            if self._said[account in _SYSTEM].add(hash(path), _RANKS[loss])
        ]

    def fresh(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries that are to be announced, and mark these announced."""
        found = list(entries)
        return [found[index] for index in self.unannounced([asked_of(entry) for entry in found])]

    def admit(self, alerts: Sequence[Alert], now: float) -> tuple[Sequence[Alert], Sequence[Alert]]:
        """Return the alerts to announce now, and those to hold back."""
        said: list[Alert] = []
        held: list[Alert] = []
        for alert in alerts:
            tokens, then = self._tokens.pop(alert.account, (float(self._burst), now))
            tokens = min(self._burst, tokens + (now - then) * self._per_second)
            admitted = tokens >= 1
            (said if admitted else held).append(alert)
            self._tokens[alert.account] = tokens - admitted, now
            if len(self._tokens) > ACCOUNTS:
                del self._tokens[next(iter(self._tokens))]
        return said, held
