"""Which inodes were written to, by whom, and which of them nobody has looked at yet.

One thread notes, others ask.  The memory is bounded: a writer is one shared value however many inodes it
touched, and when `limit` inodes are known the ones known longest are forgotten, which is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .model import Writer

LIMIT = 200_000


class Origin(NamedTuple):
    """The part of a `Writer` that is the same for everything one process writes."""

    unit: str
    exe: bytes
    comm: bytes
    pid: int
    uid: int | None


class Seen(NamedTuple):
    root_id: int
    inode: int
    origin: Origin | None  # None: nobody can say
    named: bool  # a name came, went or moved; else content or metadata


class _Known(NamedTuple):
    origin: Origin | None
    first: float
    last: float
    settled: bool  # its name and verdict have been looked at; only a change of names asks for it again


class Activity:
    """What one source of events has seen.  Its thread calls `on_news` when there is something to take."""

    def __init__(
        self, clock: Callable[[], float], limit: int = LIMIT, on_news: Callable[[], None] = lambda: None
    ) -> None:
        self.since: float | None = clock()  # writers are known from then on; None: they are not
        self.overflows = 0
        self.forgotten = 0
        self.last = 0.0  # when something was noted last
        self._clock = clock
        self._limit = limit
        self._on_news = on_news
        self._lock = threading.Lock()
        self._known: dict[int, dict[int, _Known]] = {}  # by inode by subvolume, oldest first
        self._size = 0
        self._dirty: dict[int, set[int]] = {}
        self._overflowed = False

    def note(self, events: Iterable[Seen]) -> None:
        """In the order of the events: the last writer that is known counts."""
        now = self._clock()
        with self._lock:
            waiting = bool(self._dirty)
            for root_id, inode, origin, named in events:
                known = self._known.setdefault(root_id, {})
                old = known.get(inode)
                if old is None:
                    self._size += 1
                    known[inode] = _Known(origin, now, now, False)
                else:
                    if origin is None or not (origin.comm or old.origin is None):
                        origin = old.origin
                    if old.last != now or old.origin is not origin:
                        known[inode] = _Known(origin, old.first, now, old.settled)
                if old is None or named or not old.settled:
                    self._dirty.setdefault(root_id, set()).add(inode)
                    self.last = now
            if self._size > self._limit:
                self._forget()
            news = not waiting and bool(self._dirty)
        if news:
            self._on_news()

    def _forget(self) -> None:
        """A tenth at a time: the ones noted first, of the subvolume that has most."""
        known = max(self._known.values(), key=len)
        count = min(len(known), self._size - self._limit + self._limit // 10)
        for inode in list(known)[:count]:
            del known[inode]
        self._size -= count
        self.forgotten += count

    def overflow(self) -> None:
        with self._lock:
            self.overflows += 1
            self.last = self._clock()
            self._overflowed = True
        self._on_news()

    def take(self) -> tuple[dict[int, set[int]], bool]:
        """What was written since the last call, by subvolume, and whether the kernel dropped events."""
        with self._lock:
            dirty, overflowed = self._dirty, self._overflowed
            self._dirty, self._overflowed = {}, False
        return dirty, overflowed

    def settle(self, root_id: int, inodes: Iterable[int]) -> None:
        """Verdict and name of these are known: writing more to them is no news."""
        with self._lock:
            known = self._known.get(root_id, {})
            for inode in inodes:
                if inode in known:
                    known[inode] = known[inode]._replace(settled=True)

    def unsettle(self) -> None:
        """The rules are others: every verdict is open again."""
        with self._lock:
            for known in self._known.values():
                for inode, seen in known.items():
                    known[inode] = seen._replace(settled=False)

    def of(self, root_id: int, inode: int) -> Writer | None:
        """None where nothing was seen, or nobody could say who it was."""
        with self._lock:
            found = self._known.get(root_id, {}).get(inode)
        if found is None or found.origin is None:
            return None
        return Writer(*found.origin, first=found.first, last=found.last)
