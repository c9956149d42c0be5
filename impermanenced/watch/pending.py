"""Which inodes were written to, by whom, and which of them nobody has looked at yet.

One thread notes, others ask.  What was noted waits here for a moment, so that many writes to one inode are
one, and then goes to the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..model import Writer
from .ledger import Batch, Ledger, Noted, Origin

BATCH = 8192  # inodes that wait at most before somebody is told to store them
LIMIT = 65536  # that wait when nobody does; more are forgotten
LOOKED_AT = 20_000  # inodes of which it is remembered that they were
CROWDED = 20_000  # inodes to look at, of which somebody is told
MOST = 100_000  # that wait to be looked at


class Seen(NamedTuple):
    root_id: int
    inode: int
    directory: int  # that it was reached by; 0: not known
    origin: Origin | None  # None: nobody can say
    named: bool  # a name came, went or moved; else content or metadata


Dirty = dict[tuple[int, Origin | None], set[int]]  # inodes to look at, by directory and writer
Event = tuple[int, int, int, Origin | None, bool]  # a Seen, or the same without its name
_Waiting = dict[int, dict[int, Noted]]


class Activity:
    """What one source of events has seen.

    The source's thread calls `on_news` when there is something to look at, and `on_many` when there is so
    much that it should be stored.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        ledger: Ledger,
        *,
        on_news: Callable[[], None] = lambda: None,
        on_many: Callable[[], None] = lambda: None,
        limit: int = LIMIT,
    ) -> None:
        self.knows_writers = True
        self.overflows = 0
        self.forgotten = 0  # inodes that nobody stored in time
        self.last = 0.0  # when there was news last
        self.ledger = ledger
        self._clock = clock
        self._limit = limit
        self._on_news = on_news
        self._on_many = on_many
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._waiting: _Waiting = {}
        self._size = 0
        self._dirty: dict[int, Dirty] = {}
        self._dirty_size = 0
        self._too_many = False  # more than can be looked at one by one
        self._looked_at: dict[tuple[int, int], None] = {}
        self._overflowed = False

    @property
    def since(self) -> float | None:
        """Writers are known from then on, but for `gaps`; None: they are not."""
        return self.ledger.since if self.knows_writers else None

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        return self.ledger.gaps if self.knows_writers else ()

    @property
    def waits(self) -> bool:
        return self._size > 0

    def note(self, events: Iterable[Event]) -> None:
        """In the order of the events: the last writer that is known counts."""
        now = self._clock()
        with self._lock:
            had_news, before = bool(self._dirty), self._size
            for root_id, inode, directory, origin, named in events:
                waiting = self._waiting.get(root_id)
                if waiting is None:
                    waiting = self._waiting[root_id] = {}
                old = waiting.get(inode)
                if old is None:
                    if self._size >= self._limit:
                        self.forgotten += 1
                        continue
                    self._size += 1
                    waiting[inode] = Noted(origin, directory, named, now, now)
                    if named or (root_id, inode) not in self._looked_at:
                        self._make_dirty(root_id, inode, directory, origin)
                        self.last = now
                else:
                    if origin is None or not (origin.comm or old.origin is None):
                        origin = old.origin
                    if named and not old.named:
                        self._make_dirty(root_id, inode, directory or old.directory, origin)
                        self.last = now
                    if old.last != now or old.origin is not origin or (named and not old.named):
                        waiting[inode] = Noted(
                            origin, directory or old.directory, named or old.named, old.first, now
                        )
            news = not had_news and bool(self._dirty)
            many = before < BATCH <= self._size
        if news:
            self._on_news()
        if many:
            self._on_many()

    def _make_dirty(self, root_id: int, inode: int, directory: int, origin: Origin | None) -> None:
        if self._dirty_size >= MOST:
            self._too_many = True
            return
        dirty = self._dirty.get(root_id)
        if dirty is None:
            dirty = self._dirty[root_id] = {}
        key = directory, origin
        inodes = dirty.get(key)
        if inodes is None:
            dirty[key] = {inode}
        else:
            inodes.add(inode)
        self._dirty_size += 1  # or so: one that came by two ways counts twice

    @property
    def crowded(self) -> bool:
        """So much is to be looked at that it must not wait until there is quiet."""
        return self._dirty_size >= CROWDED

    def overflow(self) -> None:
        with self._lock:
            self.overflows += 1
            self.last = self._clock()
            self._overflowed = True
        self._on_news()

    def store(self) -> None:
        """Hand over what waits to the ledger."""
        with self._storing:
            with self._lock:
                batch: Batch = self._waiting
                self._waiting, self._size = {}, 0
            if batch:
                self.ledger.write(batch)

    def take(self) -> tuple[dict[int, Dirty], bool, bool]:
        """What was written since the last call, by subvolume; whether that is not all of it, since it was too
        much; and whether the kernel dropped events."""
        with self._lock:
            taken = self._dirty, self._too_many, self._overflowed
            self._dirty, self._too_many, self._overflowed = {}, False, False
            self._dirty_size = 0
        return taken

    def settle(self, root_id: int, inodes: Iterable[int]) -> None:
        """Verdict and name of these are known: writing more to them is no news."""
        with self._lock:
            self._looked_at.update(dict.fromkeys((root_id, inode) for inode in inodes))
            while len(self._looked_at) > LOOKED_AT:
                del self._looked_at[next(iter(self._looked_at))]

    def unsettle(self) -> None:
        """The rules are others: every verdict is open again."""
        with self._lock:
            self._looked_at.clear()

    def of(self, root_id: int, inode: int) -> Writer | None:
        """None where nothing was seen, or nobody could say who it was.  Call `store` before."""
        return self.ledger.of(root_id, inode)

    def has_crowds(self) -> bool:
        return self.ledger.has_crowds()

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        return self.ledger.of_crowd(root_id, directory)
