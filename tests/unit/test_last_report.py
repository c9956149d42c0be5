"""The deadline of the last report, with a clock and workers of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from impermanenced.alerts import shutdown
from impermanenced.alerts.shutdown import ShutdownSummary
from impermanenced.bus.answers import Answers
from impermanenced.daemon.last_report import FRESH, LastReport
from impermanenced.daemon.reports import Known, Reports
from impermanenced.errors import ServiceError
from impermanenced.model import Decision, Forecast, Spared
from impermanenced.report import report
from impermanenced.system import journal

from ..isolation import PATIENCE

FOUND = ShutdownSummary(7, 700, True, (), None)
ASKED = "somebody asked to keep the root"
BEFORE = ShutdownSummary(3, 300, True, (), None)


class Worker(Executor):
    """Does the work at once, or never."""

    def __init__(self) -> None:
        self.stuck = False

    def submit(self, work: Callable[..., Any], *arguments: Any, **_: Any) -> Future[Any]:  # type: ignore[override]
        future: Future[Any] = Future()
        if not self.stuck:
            try:
                future.set_result(work(*arguments))
            except ServiceError as error:
                future.set_exception(error)
        return future


class Case:
    """A last report; what it finds, what is known, and what was said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known: Known | None = None
        self.unseen = 0
        self.expected = 0.0
        self.made = self.cuts = 0
        self.now = 1000.0
        self.waited: list[float] = []
        self.said: list[str] = []
        self.closed = 0
        self.worker = Worker()
        monkeypatch.setattr(journal, "write", lambda text, priority, fields: self.said.append(text))
        monkeypatch.setattr("impermanenced.report.forecast.known", lambda config, machine: Spared.ASKED)
        monkeypatch.setattr("impermanenced.boots.examine.is_set_up", lambda machine: True)
        manager = cast(report.Manager, type("Manager", (), {
            "machine": None, "config": None, "forecast": lambda: Forecast(Decision("wiped")),
        }))  # fmt: skip
        self.last = LastReport(manager, cast(Reports, self), lambda: self.now, self.done)

    def done(self, future: Future[Any], seconds: float) -> bool:
        self.waited.append(seconds)
        return future.done()

    def cut(self) -> None:
        self.cuts += 1

    def make(self) -> Answers:
        self.made += 1
        return cast(Answers, self)

    def shutdown_summary(self) -> ShutdownSummary:
        return FOUND

    def close(self) -> None:
        self.closed += 1

    def within(self, seconds: float) -> ShutdownSummary | None:
        return self.last.within(seconds, self.worker, self.make)


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(monkeypatch)


def test_in_time_it_is_the_report(case: Case) -> None:
    assert case.within(2.0) == FOUND
    assert case.waited == [2.0] and (case.made, case.closed, case.cuts) == (1, 1, 0)
    assert case.said == []


def test_one_that_takes_too_long_is_cut_and_the_one_before_stands_in(case: Case) -> None:
    case.known, case.unseen, case.worker.stuck = Known(BEFORE, 900.0, 5), 12, True
    last = case.within(2.0)
    assert last == ShutdownSummary(3, 300, False, (), ASKED), "not complete, and what is asked for counts"
    assert case.cuts == 1, "whatever makes it ends"
    (said,) = case.said
    assert said.startswith("the last report was cut at 2 s: 12 paths written to since ")
    assert said.endswith(" not looked at")
    assert "at least 3 paths" in shutdown.message(ShutdownSummary(3, 300, False, (), None))


def test_without_one_before_there_is_none(case: Case) -> None:
    case.unseen, case.worker.stuck = 1, True
    assert case.within(0.5) is None
    assert case.said == [
        "the last report was cut at 0.5 s, and there is none before it: 1 path not looked at"
    ]


def test_what_was_cut_is_not_begun_again_unless_the_shutdown_was_called_off(case: Case) -> None:
    case.known, case.worker.stuck = Known(BEFORE, 900.0, 5), True
    case.within(3.0)
    case.worker.stuck = False
    assert case.within(2.0) is not None
    assert (case.made, case.waited) == (0, [3.0]), "it would take as long"
    case.last.again()
    assert case.within(2.0) == FOUND


def test_what_would_take_too_long_is_not_begun(case: Case) -> None:
    case.known, case.unseen, case.expected = Known(BEFORE, 900.0, 5), 2, 2.1
    last = case.within(2.0)
    assert last is not None and (last.count, last.complete) == (3, False)
    assert (case.made, case.waited, case.cuts) == (0, [], 0)
    assert case.said[0].startswith("the last report would take longer than 2 s: 2 paths written to since ")
    assert case.within(3.0) == FOUND, "there is more time"
    case.known, case.unseen = Known(BEFORE, case.now, 5), 0
    assert case.within(2.0) == BEFORE, "nothing has to be made"


def test_no_report_is_made_twice(case: Case) -> None:
    case.known = Known(BEFORE, 1000.0 - FRESH / 2, 5)
    assert case.within(2.0) == BEFORE and case.made == 0
    case.unseen = 1
    assert case.within(2.0) == FOUND and case.made == 1, "something was written since"
    case.unseen = 0
    case.now += FRESH
    case.within(2.0)
    assert case.made == 2, "what was not written can have changed too: what is mounted"
    case.now = 0.0
    case.within(2.0)
    assert case.made == 3, "the clock was set back"


def test_what_waits_behind_another_report_when_the_daemon_ends_is_dropped(case: Case) -> None:
    executor = ThreadPoolExecutor(1)
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    def end(future: Future[Any], seconds: float) -> bool:
        executor.shutdown(wait=False, cancel_futures=True)
        return future.done()

    running = executor.submit(busy)
    assert begun.wait(PATIENCE)
    last = LastReport(case.last._manager, cast(Reports, case), lambda: case.now, end)
    assert last.within(2.0, executor, case.make) is None
    assert last.within(2.0, executor, case.make) is None, "and nothing can be asked of it any more"
    assert (case.made, case.cuts, case.said) == (0, 0, [])
    go_on.set()
    running.result()


def test_what_fails_is_raised(case: Case) -> None:
    def fails() -> Answers:
        raise ServiceError("broken")

    with pytest.raises(ServiceError, match="broken"):
        case.last.within(2.0, case.worker, fails)
    assert case.cuts == 0
