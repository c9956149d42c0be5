"""The end of a boot: the announcement while logind waits, and the record when all sessions have ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from ..alerts import shutdown
from ..alerts.shutdown import ShutdownSummary
from ..boots import history
from ..bus.answers import Answers
from ..errors import ImpermanenceError
from ..report.report import Manager
from ..system import logger
from ..system.login1 import ShutdownDelay
from ..system.systemd1 import system_is_stopping
from ..text import failure_to_text

log = logger.get()


class Shutdown:
    """The delay of a shutdown until its losses are announced, and the record of how the boot ended.

    `submit` passes work to the worker, `calls` asks logind, and `tell` sends the D-Bus signal.
    """

    def __init__(
        self,
        con: Any,
        manager: Manager,
        answers: Callable[[], Answers],
        tell: Callable[[ShutdownSummary], None],
        submit: Callable[[Callable[[], None]], None],
        calls: Executor,
    ) -> None:
        self._con = con
        self._manager = manager
        self._answers = answers
        self._tell = tell
        self._submit = submit
        self._leaving = False  # the system shuts down
        shutdown.forget_record(manager.machine, history.this_boot_id())
        self._delay = ShutdownDelay(con, calls, self._on_leaving)

    def end(self) -> bool:
        """Hold up no shutdown any more; return whether the boot ends, and not the daemon alone."""
        leaving = self._leaving or system_is_stopping(self._con)
        self._delay.close()
        return leaving

    def _on_leaving(self, leaving: bool) -> None:
        self._leaving = leaving
        if leaving:
            self._submit(self._last_words)

    def _last_words(self) -> None:
        try:
            last = self._summary()
            shutdown.say(last)
            self._tell(last)
        finally:
            self._delay.release()

    def _summary(self) -> ShutdownSummary:
        with contextlib.closing(self._answers()) as answers:
            return answers.shutdown_summary()

    def leave_record(self) -> None:
        """Record what the boot leaves behind, now that the sessions with their last writes have ended."""
        try:
            last = self._summary()
        except (ImpermanenceError, OSError) as error:
            log.warning("there is no last report", error=failure_to_text(error))
        else:
            shutdown.leave_record(self._manager.machine, history.this_boot_id(), time.time(), last)
