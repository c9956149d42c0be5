"""Clients of a daemon whose unit runs while the daemon has not taken its name yet, or never does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib

from impermanenced.bus import arrival, client
from impermanenced.cli import source
from impermanenced.errors import ServiceError
from impermanenced.model import Report
from impermanenced.system.dbus import Call, Registration, request_name

from .conftest import NOBODY, SYSTEMD, Bus, wait_until
from .test_cli import run
from .test_service import REPORT, Served
from .test_watch import watching

AT = "/org/freedesktop/systemd1"
MANAGER = f"""<node><interface name="{SYSTEMD}.Manager"><method name="GetUnit">
  <arg type="s" direction="in"/><arg type="o" direction="out"/></method></interface></node>"""
UNIT = f"""<node><interface name="{SYSTEMD}.Unit">
  <property name="ActiveState" type="s" access="read"/></interface></node>"""
SERVICE = f"""<node><interface name="{SYSTEMD}.Service">
  <property name="MainPID" type="u" access="read"/>
  <property name="CPUUsageNSec" type="t" access="read"/></interface></node>"""


class Unit:
    """The unit of the daemon, as systemd tells of it; the real one does in vm-tests/full."""

    def __init__(self, bus: Bus) -> None:
        self.state, self.pid = "active", 7
        self.used: Iterator[int] = itertools.count(1)
        self.asked = 0
        self.lives: int | None = None  # questions until its process has ended
        self.con = bus.connect()
        used = {
            "MainPID": self._pid,
            "CPUUsageNSec": lambda: GLib.Variant("t", next(self.used)),
        }
        self.registrations = [
            Registration(self.con, AT, MANAGER, {"GetUnit": self._unit}),
            Registration(self.con, f"{AT}/one", UNIT, {}, {"ActiveState": self._state}),
            Registration(self.con, f"{AT}/one", SERVICE, {}, used),
        ]
        request_name(self.con, SYSTEMD)

    def _unit(self, call: Call) -> None:
        assert call.parameters.unpack() == ("impermanenced.service",)
        call.reply(GLib.Variant("(o)", (f"{AT}/one",)))

    def _state(self) -> Any:
        self.asked += 1
        return GLib.Variant("s", self.state)

    def _pid(self) -> Any:
        ended = self.lives is not None and self.asked > self.lives
        return GLib.Variant("u", 0 if ended else self.pid)


class Case:
    """A client in a thread of its own; this thread serves the bus meanwhile."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.unit = Unit(bus)
        self.waited: list[float] = []
        self.served: Served | None = None

    def begin(self, executor: ThreadPoolExecutor) -> Future[Report | None]:
        config = b"/etc/impermanence/config.toml"
        return executor.submit(client.fetch_report, config, starting=self.waited.append)

    def fetch(self, meanwhile: Callable[[], None] = lambda: None) -> Report | None:
        """What the client gets, when `meanwhile` happened as soon as it had waited for a while."""
        with ThreadPoolExecutor(1) as executor:
            future = self.begin(executor)
            wait_until(lambda: len(self.waited) > 2 or future.done(), "the client waits")
            if not future.done():
                meanwhile()
            wait_until(future.done, "the answer of the client")
            return future.result()

    def ask(self, question: Callable[[], bool]) -> bool:
        with ThreadPoolExecutor(1) as executor:
            future = executor.submit(question)
            wait_until(future.done, "the answer")
            return future.result()

    def arrive(self) -> None:
        self.served = Served(self.bus)

    def close(self) -> None:
        if self.served is not None:
            self.served.close()


@pytest.fixture
def case(bus_with_systemd: Bus, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_with_systemd.address)
    monkeypatch.setattr(arrival, "TICK", 5)
    case = Case(bus_with_systemd)
    yield case
    case.close()


def test_a_daemon_that_has_its_name_costs_no_question(case: Case) -> None:
    case.arrive()
    assert case.fetch() is not None
    assert case.ask(client.is_running)
    assert (case.unit.asked, case.waited) == (0, [])


@pytest.mark.parametrize("state", ["active", "activating", "reloading"])
def test_one_that_is_being_loaded_is_waited_for(case: Case, state: str) -> None:
    """A user was told that only root may look, where the daemon watched and was to answer in a second."""
    case.unit.state = state
    assert case.ask(client.is_running) and not case.ask(client.answers)
    report = case.fetch(case.arrive)
    assert report is not None and len(report.entries) == len(REPORT.entries)
    assert len(case.waited) > 2 and case.waited == sorted(case.waited)


@pytest.mark.parametrize(
    ("state", "pid"), [("inactive", 0), ("failed", 0), ("deactivating", 7), ("activating", 0)]
)
def test_one_that_stops_or_has_no_process_is_not(case: Case, state: str, pid: int) -> None:
    """The last is between two attempts: nobody watches then, and the next one may fail as well."""
    case.unit.state, case.unit.pid = state, pid
    assert case.fetch() is None
    assert (case.unit.asked, case.waited) == (1, [])
    assert not case.ask(client.is_running)


def test_one_that_ends_before_it_has_its_name(case: Case) -> None:
    def end() -> None:
        case.unit.state, case.unit.pid = "failed", 0

    assert case.fetch(end) is None
    assert case.waited


def test_one_that_does_not_get_any_further(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "STUCK", 0.05)
    case.unit.used = itertools.repeat(1)
    with pytest.raises(ServiceError, match=r"has not taken its name .* any further") as raised:
        case.fetch()
    assert raised.value.hint == "journalctl -u impermanenced"
    assert case.ask(client.is_running), "the kernel has its mark"


def test_without_systemd_nothing_is_waited_for(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    assert client.fetch_report(b"/etc/impermanence/config.toml") is None
    assert not client.is_running()


def test_declarations_wait_too(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(source.declarations, None)
        wait_until(lambda: case.unit.asked > 2, "the client waits")
        case.arrive()
        wait_until(future.done, "the answer")
        assert future.result() == []


def test_who_watches_waits_and_is_told_of_no_return(case: Case, tmp_path: Path) -> None:
    with watching(case.bus, tmp_path, "-n", "all") as watch:
        wait_until(lambda: case.unit.asked > 2 or watch.process.poll() is not None, "it waits")
        case.arrive()
        served = case.served
        assert served is not None
        served.signals.news.overflow(1)
        wait_until(lambda: watch.lines() or watch.process.poll() is not None, "it follows")
        assert len(watch.lines()) == 1, watch.err.read_text()
        assert "is back" not in watch.err.read_text()


def test_who_watches_ends_with_a_daemon_that_ends(case: Case, tmp_path: Path) -> None:
    with watching(case.bus, tmp_path) as watch:
        wait_until(lambda: case.unit.asked > 2 or watch.process.poll() is not None, "it waits")
        case.unit.state, case.unit.pid = "failed", 0
        wait_until(lambda: watch.process.poll() is not None, "its end")
        assert watch.process.returncode == 1
        assert "impermanenced does not run" in watch.err.read_text()


def test_status_of_a_user_ends_with_a_daemon_that_ends(case: Case, tmp_path: Path) -> None:
    """It says what it says where none runs."""
    case.unit.lives = 3
    waited = run(case.bus, tmp_path / "config.toml", "status", uid=NOBODY)
    assert case.unit.asked == 4
    case.unit.state = "inactive"
    alone = run(case.bus, tmp_path / "config.toml", "status", uid=NOBODY)
    assert case.unit.asked == 5
    assert waited.returncode == alone.returncode == 4
    assert waited.stderr == alone.stderr
