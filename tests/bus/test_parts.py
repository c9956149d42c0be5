"""The daemon's parts in this process: whole and wired together before the main loop runs."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from gi.repository import GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.daemon.begun import begin
from impermanenced.daemon.daemon import Daemon
from impermanenced.system.dbus import PROPERTIES

from .conftest import Bus, Machine, wait_until


def test_it_is_whole_before_it_runs(bus: Bus, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that arrives with the name must not meet a part that is not there yet."""
    for name, value in bus.environment.items():
        monkeypatch.setenv(name, value)
    before = set(threading.enumerate())
    got: list[Any] = []
    caller = bus.connect()

    def ask(interface: str, method: str, arguments: Any = None) -> Any:
        caller.call(
            BUS_NAME, OBJECT_PATH, interface, method, arguments, None, 0, 60_000, None,
            lambda con, result: got.append(con.call_finish(result).unpack()[0]),
        )  # fmt: skip
        wait_until(lambda: got, f"the answer of {method}")
        return got.pop()

    daemon = Daemon(begin(os.fsencode(machine.config)))
    try:
        properties = ask(PROPERTIES, "GetAll", GLib.Variant("(s)", (INTERFACE,)))
        undeclared = ask(INTERFACE, "Rescan")
    finally:
        daemon.close()
    assert properties["Source"] == "fanotify" and bytes(properties["ConfigFile"]) == os.fsencode(
        machine.config
    )
    assert undeclared == 0
    assert set(threading.enumerate()) == before
