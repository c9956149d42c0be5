"""Making reports, and passing their totals on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..alerts.shutdown import ShutdownSummary
from ..bus.answers import Answers, FromReport
from ..drift import weight
from ..lazy import NamedTuple
from ..report.report import Manager
from ..report.totals import Tally
from ..system.systemd import KnownSystemd
from ..watch.pending import PendingWrites
from . import report_process
from .report_process import Child

AS_LONG = 8  # times as long as a look at the sizes takes a report, at least


def _nobody(tally: Tally) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Known:
    """What the newest report says of a shutdown."""

    summary: ShutdownSummary
    at: float  # when the report began, in seconds since 1970
    noted: int  # the writes that had been noted by then


class _Making(NamedTuple):
    """A report that is being made."""

    at: float  # when it was begun, in seconds since 1970
    clock: int  # the processor time of the thread that makes it
    before: float  # what that was then


class Reports:
    """The maker of reports of everything, one at a time; any thread may ask what is known, and end it."""

    def __init__(
        self,
        manager: Manager,
        systemd: Callable[[], KnownSystemd],
        writes: PendingWrites,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.known: Known | None = None
        self.expected = 0.0  # seconds of processor time that a report takes, as far as one can tell
        self._manager = manager
        self._systemd = systemd
        self._writes = writes
        self._clock = clock
        self._told: Callable[[Tally], None] = _nobody
        self._child: Child | None = None
        self._closed = False
        self._making: _Making | None = None

    def subscribe(self, told: Callable[[Tally], None]) -> None:
        """Have `told` called with the totals of each report."""
        self._told = told

    def make(self) -> Answers:
        """Compare everything as it is now, and return the report's answers, which the caller closes."""
        return self._finish(self._answers)

    def make_here(self) -> Answers:
        """Do as `make` does, but never start a process: for one that ends with this report, whose memory
        does not matter.
        """
        return self._finish(lambda: FromReport(self._manager.status(self._writes)))

    def weigh(self) -> int | None:
        """Return the bytes that a report does not exceed, as `drift.weight` does; how long the look takes
        also tells how long a report would.
        """
        before = time.thread_time()
        most = weight.at_most(self._manager.machine, self._manager.volumes)
        if self.known is None:
            self.expected = AS_LONG * (time.thread_time() - before)
        return most

    def total(self) -> None:
        """Make a report for its totals alone."""
        self.make().close()

    def forget(self) -> None:
        """Forget what is known: the configuration is another one."""
        self.known = None

    @property
    def unseen(self) -> int:
        """Return how many paths were written to since the newest report, or since the watch began."""
        return self._writes.noted - (self.known.noted if self.known is not None else 0)

    def cut(self) -> None:
        """End the process that makes a report, if there is one: who waits for the report gets an error."""
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """End the process that makes a report, and any that is started later."""
        self._closed = True
        self.cut()

    def progress(self) -> tuple[float, float]:
        """Return when the report that is being made was begun, in seconds since 1970, and the seconds of
        processor time that it has taken so far; zeros while none is made.
        """
        making, child = self._making, self._child
        if making is None:
            return 0.0, 0.0
        try:
            here = time.clock_gettime(making.clock) - making.before
        except OSError:  # the thread has ended
            here = 0.0
        return making.at, here + (child.processor() if child is not None else 0.0)

    def _finish(self, make: Callable[[], Answers]) -> Answers:
        at, noted = self._clock(), self._writes.noted
        clock = time.pthread_getcpuclockid(threading.get_ident())
        self._writes.store()
        with contextlib.ExitStack() as stack:
            self._making = _Making(at, clock, time.clock_gettime(clock))
            stack.callback(self._made)
            answers = make()
            stack.callback(answers.close)
            self.known = Known(answers.shutdown_summary(), at, noted)
            _, self.expected = self.progress()
            self._told(answers.tally()._replace(used=self._manager.machine.used()))
            stack.pop_all()
        self._made()
        return answers

    def _made(self) -> None:
        self._making = None

    def _answers(self) -> Answers:
        # What was too much to be made here is so still, and trying it would be half of a report.
        large = self.known is not None and self.known.summary.count > report_process.BIG
        return report_process.answers(
            self._manager, self._systemd, self._writes, started=self._started, large=large
        )

    def _started(self, child: Child) -> None:
        self._child = child
        if self._closed:
            child.kill()
