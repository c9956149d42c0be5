"""Making reports, and passing their totals on."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

from ..bus.answers import Answers
from ..report.report import Manager
from ..report.totals import Tally
from ..system.systemd import KnownSystemd
from ..watch.pending import PendingWrites
from . import report_process


def _nobody(tally: Tally) -> None:
    pass


class Reports:
    """The maker of reports of everything; only the worker calls it."""

    def __init__(self, manager: Manager, known: Callable[[], KnownSystemd], writes: PendingWrites) -> None:
        self._manager = manager
        self._known = known
        self._writes = writes
        self._told: Callable[[Tally], None] = _nobody

    def subscribe(self, told: Callable[[Tally], None]) -> None:
        """Have `told` called with the totals of each report."""
        self._told = told

    def make(self) -> Answers:
        """Compare everything as it is now, and return the report's answers, which the caller closes."""
        self._writes.store()
        with contextlib.ExitStack() as stack:
            answers = report_process.answers(self._manager, self._known, self._writes)
            stack.callback(answers.close)
            self._told(dataclasses.replace(answers.tally(), used=self._manager.machine.used()))
            stack.pop_all()
        return answers

    def total(self) -> None:
        """Make a report for its totals alone."""
        self.make().close()
