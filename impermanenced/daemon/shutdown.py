"""The end of a boot: the announcement while logind waits, and the record when all sessions have ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from ..alerts import shutdown
from ..alerts.shutdown import ShutdownSummary
from ..boots import history
from ..errors import ImpermanenceError
from ..report.report import Manager
from ..system import logger
from ..system.login1 import ShutdownDelay
from ..system.systemd1 import system_is_stopping
from ..text import failure_to_text
from .last_report import LastReport
from .reports import Reports
from .workers import Workers

# Shares of what logind waits for at most, five seconds by default: it is the administrator's word on how long
# a shutdown may wait.
ANNOUNCED = 0.6  # for the report that is announced; telling terminals takes time as well
RECORDED = 0.4  # for the report that is recorded, when logind waits no more
MOST = 10.0  # seconds of the second; systemd waits for TimeoutStopSec= of the unit

log = logger.get()


class Shutdown:
    """The delay of a shutdown until its losses are announced, and the record of how the boot ended.

    `tell` sends the D-Bus signal.
    """

    def __init__(
        self,
        con: Any,
        manager: Manager,
        reports: Reports,
        tell: Callable[[ShutdownSummary], None],
        workers: Workers,
    ) -> None:
        self._con = con
        self._manager = manager
        self._reports = reports
        self._tell = tell
        self._workers = workers
        self._last = LastReport(manager, reports)
        self._leaving = False  # the system shuts down
        self._most = 0.0  # seconds that logind waits for at most, once it does
        shutdown.forget_record(manager.machine, history.this_boot_id())
        self._delay = ShutdownDelay(con, workers.calls, self._on_leaving)

    def end(self) -> bool:
        """Hold up no shutdown any more; return whether the boot ends, and not the daemon alone."""
        leaving = self._leaving or system_is_stopping(self._con)
        if leaving and not self._most:
            self._most = self._delay.most()
        self._delay.close()
        return leaving

    def _on_leaving(self, leaving: bool) -> None:
        self._leaving = leaving
        if leaving:
            self._workers.call(self._last_words)
        else:
            self._last.again()

    def _last_words(self) -> None:
        try:
            self._most = self._delay.most()  # later it may have ended
            last = self._within(ANNOUNCED * self._most, self._workers.worker, self._reports.make)
            if last is not None:
                shutdown.say(last)
                self._tell(last)
        finally:
            self._delay.release()

    def leave_record(self, executor: Executor) -> None:
        """Record what the boot leaves behind, now that the sessions with their last writes have ended."""
        # The process ends with this report, so it may take memory, and another one need not be started.
        last = self._within(min(RECORDED * self._most, MOST), executor, self._reports.make_here)
        if last is not None:
            shutdown.leave_record(self._manager.machine, history.this_boot_id(), time.time(), last)

    def _within(self, seconds: float, executor: Executor, make: Callable[[], Any]) -> ShutdownSummary | None:
        try:
            return self._last.within(seconds, executor, make)
        except (ImpermanenceError, OSError) as error:
            log.warning("there is no last report", error=failure_to_text(error))
            return None
