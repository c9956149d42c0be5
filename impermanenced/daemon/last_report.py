"""The last report before the end of a boot, which has a deadline.

A shutdown waits for it, and on a slow machine with a large volume a report takes longer than a shutdown.  So
it is cut: the process that makes it ends, and what the report before it found stands in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from typing import Any

from ..alerts import shutdown
from ..alerts.shutdown import ShutdownSummary
from ..boots import examine
from ..boots.examine import UNKNOWN
from ..bus.answers import Answers
from ..model import Decision
from ..report import forecast
from ..report.report import Manager
from .reports import Reports

FRESH = 60.0  # seconds for which a report is good if nothing was written since

_NOT_ASKED = Decision(UNKNOWN)


def _done(future: Future[Any], seconds: float) -> bool:
    return bool(wait([future], seconds).done)


class LastReport:
    """The last report, and what stands in for it.

    `done` waits for a future, for so many seconds at most, and tells whether it is done.
    """

    def __init__(
        self,
        manager: Manager,
        reports: Reports,
        clock: Callable[[], float] = time.time,
        done: Callable[[Future[Any], float], bool] = _done,
    ) -> None:
        self._manager = manager
        self._reports = reports
        self._clock = clock
        self._done = done
        self._was_cut = False

    def again(self) -> None:
        """Have the next one made, even if one was cut: the shutdown was called off."""
        self._was_cut = False

    def within(
        self, seconds: float, executor: Executor, make: Callable[[], Answers]
    ) -> ShutdownSummary | None:
        """Return the last words on what `make` finds, which `executor` runs, within so many seconds.

        Where that is not enough, return those on the newest report, or None if there is none; the journal
        says so.  What could not be finished once, or takes longer as far as one can tell, is not begun.  None
        also if `executor` drops the work.  Raises what `make` raises.
        """
        begun = not self._was_cut and (self._is_known() or self._reports.expected <= seconds)
        if begun:
            try:
                future = executor.submit(self._summary, make)
            except RuntimeError:  # shut down: the daemon ends, and its very last report is another
                return None
            if self._done(future, seconds):
                return None if future.cancelled() else future.result()
            future.cancel()
            self._was_cut = True
            self._reports.cut()
        known = self._reports.known
        shutdown.say_cut(seconds, self._reports.unseen, known.at if known else None, begun=begun)
        if known is None:
            return None
        return dataclasses.replace(known.summary, complete=False, spared=self._spared_without_the_program())

    def _summary(self, make: Callable[[], Answers]) -> ShutdownSummary:
        known = self._reports.known
        if known is not None and self._is_known():
            return dataclasses.replace(known.summary, spared=forecast.why(self._manager.forecast()))
        with contextlib.closing(make()) as answers:
            return answers.shutdown_summary()

    def _is_known(self) -> bool:
        """Tell whether the newest report is as good as another one."""
        known = self._reports.known
        return known is not None and not self._reports.unseen and 0 <= self._clock() - known.at < FRESH

    def _spared_without_the_program(self) -> str | None:
        """Return why the next boot takes nothing away, as far as it can be told at once."""
        config, machine = self._manager.config, self._manager.machine
        known, set_up = forecast.known(config, machine), examine.is_set_up(machine)
        return forecast.why(forecast.of(_NOT_ASKED, known, set_up=set_up))
