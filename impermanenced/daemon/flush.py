"""Looking at what was written, once the writing has calmed down, and announcing it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from gi.repository import GLib

from ..alerts.announce import Announcer
from ..alerts.bulk import GROWING, BulkWrites
from ..bus.answers import Answers
from ..bus.news import News
from ..errors import TooMany
from ..kernel import libc
from ..model import Entry, FileType
from ..report.report import Manager
from ..system import journal, logger
from ..watch.pending import Dirty, PendingWrites, by_owner
from . import report_process
from .limits import Limits

QUIET = 2.0  # seconds without news before names are looked up
AT_MOST = 10.0  # seconds that constant news can put that off
COMPARE_REST = 10  # times as long as a comparison of everything took, before the next one
NESTED = 10_000  # nested subvolumes that are remembered as announced; a forgotten one is compared again
TICK = 500  # milliseconds, only while there is news

log = logger.get()


class Flusher:
    """The scheduler of looks at what was written: it looks up names and verdicts, and announces undeclared
    paths.

    The main loop calls `arm` and `hurry`, and the ledger's thread `store_many`.  The worker does the rest,
    which `submit` passes to it.
    """

    def __init__(
        self,
        manager: Manager,
        writes: PendingWrites,
        announcer: Announcer,
        news: News,
        limits: Limits,
        answers: Callable[[], Answers],
        submit: Callable[[Callable[[], None]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._writes = writes
        self._announcer = announcer
        self._news = news
        self._limits = limits
        self._answers = answers
        self._submit = submit
        self._clock = clock
        self._bulk = BulkWrites(
            lambda root_id, inodes: manager.entries_of(root_id, inodes, writes), writes.settle
        )
        self._pending: float | None = None  # when the oldest of the waiting news came
        self._flushing = False
        self._dropped = False  # events, which a comparison of everything has to make up for
        self._too_many = False  # inodes to look at one by one
        self._nested: dict[int, bool] = {}  # subvolumes inside a volume that were written to: announced?
        self._compare_after = 0.0
        self._forgotten = 0

    def arm(self) -> bool:
        """Flush after a while without news, or when they have waited for long."""
        if self._pending is None:
            self._pending = time.time()
            GLib.timeout_add(TICK, self._tick)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _tick(self) -> bool:
        now = time.time()
        assert self._pending is not None
        # A clock that was set back must not delay the flush by as much.
        due = not 0 <= now - self._writes.last < QUIET or not 0 <= now - self._pending < AT_MOST
        if self._flushing or not due:
            return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]
        self._pending = None
        self._flushing = True
        self._submit(self._flush)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def hurry(self) -> bool:
        """Flush now."""
        if not self._flushing:
            self._flushing = True
            self._submit(self._flush)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def store_many(self) -> None:
        """Store what waits, and flush now where very much does."""
        self._writes.store()
        if self._writes.crowded:
            GLib.idle_add(self.hurry)

    def _flush(self) -> None:
        try:
            self._look_at_written()
            self._say_bulk()
            if self._behind:
                wait = self._compare_after - self._clock()
                if wait <= 0:
                    self._compare()
                else:
                    GLib.timeout_add(int(wait * 1000) + 1, self.arm)
            forgotten = self._writes.forgotten + self._writes.ledger.forgotten
            if forgotten > self._forgotten:
                log.warning("too many files, of some it is forgotten who wrote them", count=forgotten)
                self._forgotten = forgotten
            self._limits.look()
        finally:
            self._flushing = False
            # What many files took for a moment goes back to the kernel: 3 MB of 50,000, 1 MB of the ledger.
            self._writes.ledger.give_back()
            libc.malloc_trim()

    def _look_at_written(self) -> None:
        dirty, too_many, overflowed = self._writes.take()
        self._writes.store()
        self._too_many = self._too_many or too_many
        self._dropped = self._dropped or overflowed
        if dirty:  # once for all of it: each commit makes the writers wait
            self._manager.machine.sync()
        # Each owner by itself: who writes very much keeps no alert on another's writing waiting.
        for root_id, written in by_owner(dirty):
            self._look_at(root_id, written)

    @property
    def _behind(self) -> bool:
        """Return whether there is something that only a comparison of everything tells."""
        return self._dropped or self._too_many or not all(self._nested.values())

    def _look_at(self, root_id: int, written: Dirty) -> None:
        if (found := self._manager.tree_of(root_id)) is None:
            return
        volume, tree = found
        if tree is not volume:  # what was in it when it came, nothing has told
            self._nested.setdefault(root_id, False)
        inodes = self._bulk.sift(self._manager.machine.top, tree, written)
        if len(inodes) > report_process.BIG:
            self._too_many = True
            self._limits.stir()
        else:
            try:
                entries = self._look_up(root_id, inodes)
            except TooMany:  # their paths are too long
                self._too_many = True
                self._limits.stir()
            else:
                self._announcer.announce(entries)

    def _say_bulk(self) -> None:
        settled = self._bulk.settled()
        self._announcer.announce_groups(settled)
        for alert in settled:
            self._news.bulk(alert)
            self._limits.add(alert.loss, alert.size)
        if self._bulk.waiting:
            GLib.timeout_add(int(GROWING * 1000), self.arm)

    def _compare(self) -> None:
        """Compare everything, where single inodes do not tell: events were dropped, a subvolume was made in a
        volume, or there are too many inodes.

        Anybody can cause these all the time, and must not make this run all the time.
        """
        began = self._clock()
        self._compare_after = began + COMPARE_REST  # where it fails, of no memory perhaps, not again at once
        self.report().close()
        now = self._clock()
        self._compare_after = now + COMPARE_REST * (now - began)

    def report(self) -> Answers:
        """Make a report, which the caller closes, and announce what single inodes did not tell, if there is
        any.
        """
        answers = self._answers()
        try:
            if self._behind:
                self._catch_up(answers)
        except BaseException:
            answers.close()
            raise
        return answers

    def _catch_up(self, answers: Answers) -> None:
        unannounced = {root_id for root_id, said in self._nested.items() if not said}
        every = self._dropped or self._too_many
        announcements = answers.announcements(self._announcer.unannounced, None if every else unannounced)
        if self._dropped:
            log.warning(
                "events were dropped by the kernel, everything was compared instead",
                message_id=journal.MESSAGE_OVERFLOW,
                overflows=self._writes.overflows,
            )
            self._news.overflow(self._writes.overflows)
        self._dropped = self._too_many = False
        self._nested = dict.fromkeys(list(self._nested)[-NESTED:], True)
        self._announcer.tell(announcements)

    def rescan(self) -> int:
        """Compare and announce everything now; return how many paths nothing declares."""
        with contextlib.closing(self._answers()) as answers:
            announcements = answers.announcements(self._announcer.unannounced)
        self._announcer.tell(announcements)
        return announcements.count

    def _look_up(self, root_id: int, inodes: set[int]) -> list[Entry]:
        entries = self._manager.entries_of(root_id, inodes, self._writes, report_process.BIG)
        found = {entry.difference.inode for entry in entries}
        # What is still empty says nothing of what it will be, so the next write to it is looked at as well.
        empty = {
            entry.difference.inode
            for entry in entries
            if entry.difference.type is FileType.FILE and not entry.difference.size
        }
        self._writes.settle(root_id, found - empty)
        # The writer of a file that is as in the blank, or gone again, does not matter.
        self._writes.ledger.drop(root_id, inodes - found)
        self._limits.stir()
        self._limits.note(entries)
        return entries
