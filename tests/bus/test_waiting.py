"""A client that waits for a report: as long as the daemon gets further with it, and no longer."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gi.repository import GLib

from impermanenced.bus import client
from impermanenced.bus.patience import Patience
from impermanenced.errors import ServiceError
from impermanenced.model import Report

from ..isolation import PATIENCE
from .conftest import Bus, Daemon, Machine, get_properties, wait_until
from .test_service import REPORT, Served


class SlowDaemon(Served):
    """A daemon whose report is made once `go_on` is set, and a client of it."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.go_on = threading.Event()
        self.report = self._slowly
        self.ticks = 0
        self.hours = itertools.count(0, 3600)  # between two looks at the clock

    def _slowly(self) -> Report:
        assert self.go_on.wait(PATIENCE)
        return REPORT

    def fetch(self, waiting: Callable[[float], None]) -> Report | None:
        """What the client gets; this thread serves the bus meanwhile."""
        patience = Patience(lambda: float(next(self.hours)))
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(client.fetch_report, self.config, waiting, patience)
            try:
                wait_until(future.done, "the answer of the client")
            finally:
                self.go_on.set()
            return future.result()

    def close(self) -> None:
        self.go_on.set()
        with contextlib.suppress(GLib.Error):  # a test may have closed the connection
            super().close()


@pytest.fixture
def slow(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDaemon]:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    monkeypatch.setattr(client, "TICK", 5)
    slow = SlowDaemon(bus)
    yield slow
    slow.close()


def test_it_waits_for_days_if_the_daemon_works(slow: SlowDaemon) -> None:
    """A large report ended in a timeout of D-Bus, was made again, and said that nobody watches."""
    numbers = itertools.count(1)
    slow.progress = lambda: (7, next(numbers))
    waited: list[float] = []

    def waiting(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 30:
            slow.go_on.set()

    report = slow.fetch(waiting)
    assert report is not None and len(report.entries) == len(REPORT.entries)
    assert waited[29] > 24 * 3600 and waited == sorted(waited)
    assert slow.reports == 1


def test_it_gives_up_with_a_reason_if_nothing_moves(slow: SlowDaemon) -> None:
    slow.progress = lambda: (7, 1000)
    with pytest.raises(ServiceError, match=r"impermanenced runs, but gave no report in .* any further"):
        slow.fetch(lambda seconds: None)
    assert client.is_running()


def test_a_daemon_that_goes_away_is_not_waited_for(slow: SlowDaemon) -> None:
    numbers = itertools.count(1)
    slow.progress = lambda: (7, next(numbers))

    def waiting(seconds: float) -> None:
        slow.con.close_sync(None)

    with pytest.raises(ServiceError, match="disconnected"):
        slow.fetch(waiting)
    assert not client.is_running()


def test_what_goes_wrong_while_one_waits_is_not_hidden(slow: SlowDaemon) -> None:
    def fails() -> Report:
        raise ServiceError("broken", "mend it")

    numbers = itertools.count(1)
    slow.progress = lambda: (7, next(numbers))
    slow.report = fails
    with pytest.raises(ServiceError, match="broken") as raised:
        slow.fetch(lambda seconds: None)
    assert raised.value.hint == "mend it"


def test_the_daemon_says_how_far_it_is(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    assert get_properties(bus)["Progress"] == (0, 0), "no report is made"
