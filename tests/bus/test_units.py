"""What an appraisal asks of systemd over the bus, and what it does where nobody answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from gi.repository import GLib

from impermanenced.system.dbus import Call, Registration, request_name
from impermanenced.system.systemd import Span
from impermanenced.system.systemd1 import SystemdBus
from impermanenced.system.unit_files import STATE, Owner

from .conftest import SYSTEMD, Bus, wait_until

T = TypeVar("T")

MANAGER = f"""<node><interface name="{SYSTEMD}.Manager">
  <method name="ListUnitsByPatterns">
    <arg type="as" direction="in"/><arg type="as" direction="in"/>
    <arg type="a(ssssssouso)" direction="out"/>
  </method>
  <property name="KernelTimestamp" type="t" access="read"/>
  <property name="FinishTimestamp" type="t" access="read"/>
</interface></node>"""
SERVICE = f"""<node><interface name="{SYSTEMD}.Service">
  <property name="StateDirectory" type="as" access="read"/>
  <property name="CacheDirectory" type="as" access="read"/>
  <property name="DynamicUser" type="b" access="read"/>
</interface></node>"""
AT = "/org/freedesktop/systemd1"


class Systemd:
    """Two loaded services and one that is not; their properties, and the times of the boot."""

    def __init__(self, bus: Bus) -> None:
        self.finished = 0
        self.con = bus.connect()
        times = {"KernelTimestamp": lambda: GLib.Variant("t", 1_000_000_000),
                 "FinishTimestamp": lambda: GLib.Variant("t", self.finished)}  # fmt: skip
        self.registrations = [Registration(self.con, AT, MANAGER, {"ListUnitsByPatterns": self._list}, times)]
        for name, state, cache, dynamic in (("one", "sonarr", "sonarr", False), ("two", "keeper", "", True)):
            properties = {
                "StateDirectory": lambda state=state: GLib.Variant("as", [state]),
                "CacheDirectory": lambda cache=cache: GLib.Variant("as", [cache] if cache else []),
                "DynamicUser": lambda dynamic=dynamic: GLib.Variant("b", dynamic),
            }
            self.registrations.append(Registration(self.con, f"{AT}/{name}", SERVICE, {}, properties))
        request_name(self.con, SYSTEMD)

    def _list(self, call: Call) -> None:
        rows = [
            (f"{name}.service", "", state, "active", "running", "", f"{AT}/{name}", 0, "", "/")
            for name, state in (("one", "loaded"), ("two", "loaded"), ("three", "not-found"))
        ]
        call.reply(GLib.Variant("(a(ssssssouso))", (rows,)))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    unit = tmp_path / "usr/lib/systemd/system/filed.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nStateDirectory=filed\n")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def elsewhere(work: Callable[[], T]) -> T:
    """Done by another thread, while this one serves the bus."""
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(work)
        wait_until(future.done, "the answer of the other thread")
        return future.result()


def test_directories_of_loaded_services(bus_with_systemd: Bus, root: int) -> None:
    systemd = Systemd(bus_with_systemd)
    asked = SystemdBus(bus_with_systemd.connect())
    found = elsewhere(lambda: asked.units(root))
    assert found.of(b"/var/lib/sonarr/sonarr.db") == (b"/var/lib/sonarr", Owner("one.service", STATE))
    assert found.of(b"/var/lib/private/keeper/x") is not None, "a dynamic user's lies there"
    assert found.of(b"/var/lib/filed/x") is None, "the bus knows better than the files"
    assert elsewhere(asked.span) is None, "the boot has not finished"
    systemd.finished = 1_060_000_000
    assert elsewhere(asked.span) == Span(1000.0, 1060.0)


def test_where_nobody_answers_the_files_do(bus: Bus, root: int) -> None:
    asked = SystemdBus(bus.connect())
    assert asked.units(root).of(b"/var/lib/filed/x") is not None
    assert asked.span() is None
