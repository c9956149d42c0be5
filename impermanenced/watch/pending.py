"""The inodes that were written to, by whom, and which of them nobody has looked at yet.

One thread notes them and others ask.  What was noted waits here for a moment, so that many writes to one
inode become one, and then goes to the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..model import Writer
from .ledger import Batch, Ledger, Noted, Origin
from .owners import ROOT, owner_of
from .seen import SeenNumbers

BATCH = 8192  # waiting inodes at which `on_many` is called, so that they are stored
LIMIT = 65536  # waiting inodes, at most; of one owner at most three times as many as there is room left
LOOKED_AT = 20_000  # inodes that are remembered as looked at, at least
CROWDED = 20_000  # inodes to look at from which on they must not wait for quiet
# Inodes to look at, at most, and of one owner at most three times as many as there is room left; of who has
# more, everything is compared.  They take 100 bytes each while they wait and are sorted.
MOST = 50_000
SPREAD = 0x9E3779B97F4A7C15  # the golden ratio of 64 bits (Knuth), odd: it spreads what lies side by side


class Seen(NamedTuple):
    """One event of a source: an inode was written to."""

    root_id: int
    inode: int
    directory: int  # the directory that it was reached through; 0: not known
    origin: Origin | None  # None: the process is not known
    named: bool  # whether a name came, went or moved; if not, content or metadata changed


Dirty = dict[tuple[int, Origin | None], set[int]]  # inodes to look at, by directory and writer
Event = tuple[int, int, int, Origin | None, bool]  # a Seen, or a plain tuple of its fields
_Waiting = dict[int, dict[int, Noted]]


def by_owner(dirty: Mapping[int, Dirty]) -> Iterator[tuple[int, Dirty]]:
    """Yield (subvolume, what one owner wrote there): root's first, and then of those who wrote least."""
    parts: dict[tuple[int, int], Dirty] = {}
    sizes: dict[int, int] = {}
    for root_id, written in dirty.items():
        for (directory, origin), inodes in written.items():
            owner = owner_of(origin.uid if origin else None)
            sizes[owner] = sizes.get(owner, 0) + len(inodes)
            parts.setdefault((owner, root_id), {})[directory, origin] = inodes
    for owner, root_id in sorted(parts, key=lambda part: (part[0] != ROOT, sizes[part[0]])):
        yield root_id, parts[owner, root_id]


def _number(root_id: int, inode: int) -> int:
    """Return one number of 60 bits for both, another for each inode of one subvolume below 2**60."""
    return (root_id * SPREAD + inode) * SPREAD & (1 << 60) - 1


def _nobody() -> None:
    pass


class PendingWrites:
    """The writes that one source of events has seen.

    `subscribe` has a function called when there is something to look at, or too much to keep waiting.
    """

    def __init__(self, clock: Callable[[], float], ledger: Ledger, *, limit: int = LIMIT) -> None:
        self.knows_writers = True
        self.overflows = 0
        self.forgotten = 0  # inodes that were not stored in time
        # Inodes that were written to; one that is written to again after a `store` counts again.
        self.noted = 0
        self.last = 0.0  # when there was something new to look at, by the clock
        self.ledger = ledger
        self._clock = clock
        self._limit = limit
        self._on_news: Callable[[], None] = _nobody
        self._on_many: Callable[[], None] = _nobody
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._waiting: _Waiting = {}
        self._size = 0
        self._owners: dict[int, int] = {}  # how many of them each owner has
        self._dirty: dict[int, Dirty] = {}
        self._dirty_size = 0
        self._dirty_of: dict[int, int] = {}  # how many of them each owner has
        self._too_many = False  # whether there are more than can be looked at one by one
        self._looked_at = SeenNumbers(2 * LOOKED_AT)  # of `_number`
        self._overflowed = False

    def subscribe(
        self, *, on_news: Callable[[], None] = _nobody, on_many: Callable[[], None] = _nobody
    ) -> None:
        """Have the source's thread call `on_news` when there is something to look at, `on_many` when there is
        much to store."""
        self._on_news, self._on_many = on_news, on_many

    @property
    def pending(self) -> bool:
        """Return whether something waits for `take`, before which `on_news` is not called again."""
        return bool(self._dirty) or self._overflowed

    @property
    def since(self) -> float | None:
        """Return since when the writers are known, but for `gaps`, or None if they are not."""
        return self.ledger.since if self.knows_writers else None

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return (begin, end) of each time since then at which no daemon watched, in seconds since 1970."""
        return self.ledger.gaps if self.knows_writers else ()

    @property
    def waits(self) -> bool:
        """Return whether anything waits to be stored."""
        return self._size > 0

    def note(self, events: Iterable[Event]) -> None:
        """Note these events in their order: the last writer that is known counts."""
        now = self._clock()
        with self._lock:
            had_news, before = bool(self._dirty), self._size
            for root_id, inode, directory, origin, named in events:
                waiting = self._waiting.get(root_id)
                if waiting is None:
                    waiting = self._waiting[root_id] = {}
                old = waiting.get(inode)
                if old is None:
                    self.noted += 1
                    owner = owner_of(origin.uid if origin else None)
                    own = self._owners.get(owner, 0)
                    if own >= 3 * (self._limit - self._size):  # one alone leaves a quarter to the others
                        self.forgotten += 1
                        continue
                    self._size += 1
                    self._owners[owner] = own + 1
                    waiting[inode] = Noted(origin, directory, named, now, now)
                    if named or _number(root_id, inode) not in self._looked_at:
                        self._make_dirty(root_id, inode, directory, origin, owner)
                        self.last = now
                else:
                    if origin is None or not (origin.comm or old.origin is None):
                        origin = old.origin
                    if named and not old.named:
                        owner = owner_of(origin.uid if origin else None)
                        self._make_dirty(root_id, inode, directory or old.directory, origin, owner)
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

    def _make_dirty(
        self, root_id: int, inode: int, directory: int, origin: Origin | None, owner: int
    ) -> None:
        own = self._dirty_of.get(owner, 0)
        if own >= 3 * (MOST - self._dirty_size):
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
        self._dirty_size += 1  # an inode that came through two directories counts twice
        self._dirty_of[owner] = own + 1

    @property
    def crowded(self) -> bool:
        """Return whether so much is to be looked at that it must not wait for quiet."""
        return self._dirty_size >= CROWDED

    def overflow(self) -> None:
        """Note that the kernel dropped events."""
        with self._lock:
            self.overflows += 1
            self.noted += 1  # of events that are lost nobody knows how many there were
            self.last = self._clock()
            self._overflowed = True
        self._on_news()

    def store(self) -> None:
        """Write what waits to the ledger."""
        with self._storing:
            with self._lock:
                batch: Batch = self._waiting
                self._waiting, self._size, self._owners = {}, 0, {}
            if batch:
                self.ledger.write(batch)

    def take(self) -> tuple[dict[int, Dirty], bool, bool]:
        """Return what to look at since the last call, and forget it.

        These are the inodes by subvolume, whether there were too many so that some are missing, and whether
        the kernel dropped events.
        """
        with self._lock:
            taken = self._dirty, self._too_many, self._overflowed
            self._dirty, self._too_many, self._overflowed = {}, False, False
            self._dirty_size, self._dirty_of = 0, {}
        return taken

    def settle(self, root_id: int, inodes: Iterable[int]) -> None:
        """Remember these inodes as looked at: further writes to them are not reported."""
        with self._lock:
            for inode in inodes:
                self._looked_at.add(_number(root_id, inode))

    def unsettle(self) -> None:
        """Forget which inodes were looked at, because the rules have changed and every verdict is
        open again.
        """
        with self._lock:
            self._looked_at = SeenNumbers(2 * LOOKED_AT)

    def of(self, root_id: int, inode: int) -> Writer | None:
        """Return who wrote to an inode, or None if the ledger does not know.  Call `store` before."""
        return self.ledger.of(root_id, inode)

    def has_crowds(self) -> bool:
        return self.ledger.has_crowds()

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        return self.ledger.of_crowd(root_id, directory)
