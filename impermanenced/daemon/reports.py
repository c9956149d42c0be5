"""Reports of everything, and their totals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from ..bus.answers import Answers
from ..report.report import Manager
from ..report.totals import Tally
from ..system.systemd import Known
from ..watch.pending import Activity
from . import report_process


def _nobody(tally: Tally) -> None:
    pass


class Reports:
    """The worker makes them, whoever asks; `subscribe` says who is told the totals of each."""

    def __init__(self, manager: Manager, known: Callable[[], Known], activity: Activity) -> None:
        self._manager = manager
        self._known = known
        self._activity = activity
        self._told: Callable[[Tally], None] = _nobody

    def subscribe(self, told: Callable[[Tally], None]) -> None:
        self._told = told

    def make(self) -> Answers:
        """Compare everything as it is now, and return what answers of it; the caller closes that."""
        self._activity.store()
        with contextlib.ExitStack() as stack:
            answers = report_process.answers(self._manager, self._known, self._activity)
            stack.callback(answers.close)
            self._told(answers.tally())
            stack.pop_all()
        return answers

    def total(self) -> None:
        """Make one for its totals alone."""
        self.make().close()
