"""The inodes that were written to, by whom, and which of them nobody has looked at yet.

One thread notes them and others ask.  What was noted waits here for a moment, so that many writes to one
inode become one, and then goes to the ledger.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..lazy import NamedTuple
from ..model import Writer
from .ledger import Batch, Ledger, Noted, Origin
from .owners import ROOT, owner_of
from .seen import SeenNumbers

BATCH = 8192  # waiting inodes at which `on_many` is called, so that they are stored
LIMIT = 65536  # waiting inodes, at most; of one owner at most three times as many as there is room left
LOOKED_AT = 20_000  # inodes that are remembered as looked at, at least
# Inodes to look at from which on they must not wait for quiet.  Each time the filesystem is synced, which its
# writers wait for.
CROWDED = 40_000
# Inodes to look at, at most, and of one owner at most three times as many as there is room left; of who has
# more, everything is compared.  They take 8 bytes each, and 40 more while those of one tree are sorted.
MOST = 100_000
SPREAD = 0x9E3779B97F4A7C15  # the golden ratio of 64 bits (Knuth), odd: it spreads what lies side by side


class Seen(NamedTuple):
    """One event of a source: an inode was written to."""

    root_id: int
    inode: int
    directory: int  # the directory that it was reached through; 0: not known
    origin: Origin | None  # None: the process is not known
    named: bool  # whether a name came, went or moved; if not, content or metadata changed


_Key = tuple[int, Origin | None]  # a directory and a writer
Dirty = dict[_Key, "array[int]"]  # inodes to look at, in their order
Waiting = dict[_Key, "array[int]"]  # the same while they wait, in any order, where one may be there twice
Event = tuple[int, int, int, Origin | None, bool]  # a Seen, or a plain tuple of its fields
_Unstored = dict[int, dict[int, Noted]]


def by_owner(dirty: Mapping[int, Waiting]) -> Iterator[tuple[int, Dirty]]:
    """Yield (subvolume, what one owner wrote there): root's first, and then of those who wrote least."""
    parts: dict[tuple[int, int], Waiting] = {}
    sizes: dict[int, int] = {}
    for root_id, written in dirty.items():
        for (directory, origin), inodes in written.items():
            owner = owner_of(origin.uid if origin else None)
            sizes[owner] = sizes.get(owner, 0) + len(inodes)
            parts.setdefault((owner, root_id), {})[directory, origin] = inodes
    for owner, root_id in sorted(parts, key=lambda part: (part[0] != ROOT, sizes[part[0]])):
        yield root_id, {key: array("Q", sorted(set(inodes))) for key, inodes in parts[owner, root_id].items()}


def _number(root_id: int, inode: int) -> int:
    """Return one number of 60 bits for both, another for each inode of one subvolume below 2**60."""
    return (root_id * SPREAD + inode) * SPREAD & (1 << 60) - 1


@dataclass(slots=True)
class _Run:
    """Events that have all but the inode in common, one after the other: most come in such runs.

    What they have in common is made once, and is one object for all of them.
    """

    root_id: int
    directory: int
    origin: Origin | None
    named: bool
    owner: int
    waiting: dict[int, Noted]
    noted: Noted
    dirty: array[int] | None = None  # where those are that are to be looked at; None: not asked for yet


def _nobody() -> None:
    pass


class PendingWrites:
    """The writes that one source of events has seen.

    `subscribe` has a function called when there is something to look at, or too much to keep waiting.
    """

    def __init__(self, clock: Callable[[], float], ledger: Ledger, *, limit: int = LIMIT) -> None:
        self.knows_writers = True
        self.overflows = 0
        self.curtailed = 0  # how often so much was written that some kinds of events were not asked for
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
        self._waiting: _Unstored = {}
        self._size = 0
        self._owners: dict[int, int] = {}  # how many of them each owner has
        self._dirty: dict[int, Waiting] = {}
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
            run: _Run | None = None
            for root_id, inode, directory, origin, named in events:
                if (
                    run is None
                    or origin is not run.origin
                    or directory != run.directory
                    or named is not run.named
                    or root_id != run.root_id
                ):
                    run = self._run(root_id, directory, origin, named, now)
                old = run.waiting.get(inode)
                if old is not None:
                    self._note_again(run, inode, old, now)
                    continue
                self.noted += 1
                own = self._owners.get(run.owner, 0)
                if own >= 3 * (self._limit - self._size):  # one alone leaves a quarter to the others
                    self.forgotten += 1
                    continue
                self._size += 1
                self._owners[run.owner] = own + 1
                run.waiting[inode] = run.noted
                if named or _number(root_id, inode) not in self._looked_at:
                    self._make_dirty(run, inode)
                    self.last = now
            news = not had_news and bool(self._dirty)
            many = before < BATCH <= self._size
        if news:
            self._on_news()
        if many:
            self._on_many()

    def _run(self, root_id: int, directory: int, origin: Origin | None, named: bool, now: float) -> _Run:
        waiting = self._waiting.get(root_id)
        if waiting is None:
            waiting = self._waiting[root_id] = {}
        owner = owner_of(origin.uid if origin else None)
        noted = Noted(origin, directory, named, now, now)
        return _Run(root_id, directory, origin, named, owner, waiting, noted)

    def _note_again(self, run: _Run, inode: int, old: Noted, now: float) -> None:
        """Note an event of an inode that waits to be stored."""
        origin, directory, named = run.origin, run.directory or old.directory, run.named or old.named
        if origin is None or not (origin.comm or old.origin is None):
            origin = old.origin
        if named and not old.named:
            self._make_dirty(self._run(run.root_id, directory, origin, named, now), inode)
            self.last = now
        if old.last != now or old.origin is not origin or named is not old.named:
            run.waiting[inode] = Noted(origin, directory, named, old.first, now)

    def _make_dirty(self, run: _Run, inode: int) -> None:
        own = self._dirty_of.get(run.owner, 0)
        if own >= 3 * (MOST - self._dirty_size):
            self._too_many = True
            return
        inodes = run.dirty
        if inodes is None:
            dirty = self._dirty.setdefault(run.root_id, {})
            inodes = run.dirty = dirty.setdefault((run.directory, run.origin), array("Q"))
        inodes.append(inode)
        self._dirty_size += 1  # an inode that came through two directories counts twice
        self._dirty_of[run.owner] = own + 1

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

    def curtail(self) -> None:
        """Note that for a while the kernel is not asked for changes of metadata and of open files."""
        self.curtailed += 1

    def store(self) -> None:
        """Write what waits to the ledger."""
        with self._storing:
            with self._lock:
                batch: Batch = self._waiting
                self._waiting, self._size, self._owners = {}, 0, {}
            if batch:
                self.ledger.write(batch)

    def take(self) -> tuple[dict[int, Waiting], bool, bool]:
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
