"""Reports that are too large for the daemon's own memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.daemon import report_process

from .conftest import NOBODY, Bus, Daemon, Machine, Signals, fetch, wait_until

FILES = 4 * report_process.BIG


def fill(machine: Machine, files: int = FILES) -> None:
    for number in range(files):
        if number % 50 == 0:
            below = machine.mountpoint / f"srv/{number // 50}"
            below.mkdir(parents=True)
        (below / f"{number}").touch()


def children(daemon: Daemon) -> list[str]:
    tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


def call(bus: Bus, method: str, arguments: Any = None, timeout: int = 60_000) -> Any:
    answer, fds = bus.connect().call_with_unix_fd_list_sync(
        BUS_NAME, OBJECT_PATH, INTERFACE, method, arguments, None, Gio.DBusCallFlags.NONE, timeout, None, None
    )
    if fds is None:
        return answer.unpack()
    with open(fds.get(answer.unpack()[0]), encoding="utf-8") as stream:
        return json.load(stream)


def test_a_large_report_is_whole_and_leaves_nothing_in_memory(
    bus: Bus, daemon: Daemon, machine: Machine
) -> None:
    fill(machine)
    document = fetch(bus, machine.config)
    paths = {entry["path"] for entry in document["entries"]}
    assert len(paths) == FILES + FILES // 50 == len(document["entries"])
    assert f"/srv/{FILES // 50 - 1}/{FILES - 1}" in paths
    writer = Path("/proc/self/comm").read_text().strip()
    assert {(entry["writer"] or {}).get("comm") for entry in document["entries"]} == {writer}

    def leaves_nothing() -> bool:
        before = daemon.rss()
        assert len(fetch(bus, machine.config)["entries"]) == len(paths)
        return daemon.rss() - before < 1000  # kB

    wait_until(leaves_nothing, "a report that adds nothing to the ones before")
    assert not children(daemon)
    mine = fetch(bus, machine.config, uid=NOBODY)
    assert mine["entries"] == [] and mine["others"]["entries"] == 8192 > len(paths)
    explained = call(bus, "Explain", GLib.Variant("(ay)", (b"/srv/7",)))
    assert explained["below"] == 50


def test_a_rescan_says_each_of_very_many_once(bus: Bus, daemon: Daemon, machine: Machine) -> None:
    signals = Signals(bus.connect())
    fill(machine)
    (undeclared,) = call(bus, "Rescan")
    entries = fetch(bus, machine.config)["entries"]
    assert undeclared == sum(entry["verdict"] == "crud" for entry in entries) >= FILES
    wait_until(lambda: sum(signal[4] for signal in signals.got) >= FILES, "all of them said")
    said = sum(signal[4] for signal in signals.got)
    assert call(bus, "Rescan") == (undeclared,)
    call(bus, "Rescan")
    assert sum(signal[4] for signal in signals.got) == said


def test_one_that_dies_is_an_error_and_the_next_is_not(bus: Bus, daemon: Daemon, machine: Machine) -> None:
    fill(machine)
    con = bus.connect()

    def killed() -> str:
        """What the answer says; empty when the process was quicker than who looks for it."""
        got: list[str] = []

        def answered(con: Any, result: Any) -> None:
            try:
                con.call_finish(result)
                got.append("")
            except GLib.Error as error:
                got.append(error.message)

        con.call(BUS_NAME, OBJECT_PATH, INTERFACE, "Status", None, None, Gio.DBusCallFlags.NONE, 60_000, None,
                 answered)  # fmt: skip
        wait_until(lambda: children(daemon) or got, "a process for the report")
        for child in children(daemon):  # a program would take longer to start than the report
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        wait_until(lambda: got, "an answer")
        return got[0]

    assert "large reports" in wait_until(killed, "one that died")
    assert len(fetch(bus, machine.config)["entries"]) > FILES
