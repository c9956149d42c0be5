"""The end of a boot: the last words, the moment they get, and the record that stays."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from gi.repository import GLib

from impermanenced.boots import history, records
from impermanenced.boots.records import BootRecord, NextRequest
from impermanenced.daemon import report_process
from impermanenced.system.dbus import Call, Registration, request_name
from impermanenced.system.login1 import MANAGER

from ..conftest import sh
from .conftest import SYSTEMD, Bus, Daemon, Emitted, FakeSystemd, Machine, a_bus, fetch, wait_until

# As busctl introspects it on Debian 12, as far as it is used.
LOGIND = f"""<node><interface name="{MANAGER.interface}">
  <method name="Inhibit">
    <arg type="s" name="what" direction="in"/><arg type="s" name="who" direction="in"/>
    <arg type="s" name="why" direction="in"/><arg type="s" name="mode" direction="in"/>
    <arg type="h" name="pipe_fd" direction="out"/>
  </method>
  <signal name="PrepareForShutdown"><arg type="b" name="start"/></signal>
  <property name="InhibitDelayMaxUSec" type="t" access="read"/>
</interface></node>"""
BOOT_ID = history.this_boot_id()


class FakeLogind:
    """Gives inhibitors as logind does: the writing end of a pipe, held by who wants the delay."""

    def __init__(self, bus: Bus) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.con = bus.connect()
        self.pipes: list[tuple[int, str]] = []  # and the mode
        self.delay = 50_000_000  # microseconds: no share of the processor is so small
        delay = {"InhibitDelayMaxUSec": lambda: GLib.Variant("t", self.delay)}
        self.registration = Registration(self.con, MANAGER.path, LOGIND, {"Inhibit": self._inhibit}, delay)
        request_name(self.con, MANAGER.name)

    def _inhibit(self, call: Call) -> None:
        self.asked.append(call.parameters.unpack())
        reading, writing = os.pipe()
        self.pipes.append((reading, self.asked[-1][3]))
        call.reply_fd(writing)
        os.close(writing)

    def held(self, mode: str = "delay") -> int:
        poll = select.poll()
        pipes = [pipe for pipe, its_mode in self.pipes if its_mode == mode]
        for pipe in pipes:
            poll.register(pipe, 0)
        gone = {fd for fd, event in poll.poll(0) if event & select.POLLHUP}
        return len(pipes) - len(gone)

    def shut_down(self, start: bool = True) -> None:
        self.registration.emit("PrepareForShutdown", GLib.Variant("(b)", (start,)))

    def close(self) -> None:
        self.registration.close()
        for pipe, _ in self.pipes:
            os.close(pipe)


@pytest.fixture
def bus() -> Iterator[Bus]:
    names = (SYSTEMD, MANAGER.name)
    policy = "".join(f'<allow own="{name}"/><allow send_destination="{name}"/>' for name in names)
    with a_bus(f'<policy context="default">{policy}</policy>') as bus:
        yield bus


@pytest.fixture
def logind(bus: Bus) -> Iterator[FakeLogind]:
    logind = FakeLogind(bus)
    yield logind
    logind.close()


@pytest.fixture
def wall(bus: Bus, tmp_path: Path) -> Path:
    """wall(1), which writes to a file in place of terminals; the file."""
    said, program = tmp_path / "said", tmp_path / "bin/wall"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec cat >>'{said}'\n")
    program.chmod(0o755)
    bus.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    return said


@pytest.fixture
def state(machine: Machine) -> Path:
    """The state directory, with the record of this boot."""
    machine.set_up()
    path = machine.filesystem.top / ".impermanence"
    record = BootRecord(7, BOOT_ID, 1_700_000_000, "6.1.0", "wiped")
    (path / "boots/7.env").write_bytes(records.format_record(record))
    return path


@pytest.fixture
def daemon(bus: Bus, machine: Machine, state: Path, wall: Path, tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        daemon.stop()
    assert "Traceback" not in daemon.output(), daemon.output()


def test_a_shutdown_waits_for_the_last_words(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon, wall: Path
) -> None:
    leaving = Emitted(bus, "Leaving")
    wait_until(lambda: logind.held() == 1, "the inhibitor")
    what, who, _, mode = logind.asked[0]
    assert (what, who, mode) == ("shutdown", "impermanenced", "delay")
    (machine.mountpoint / "etc/small\nforged").write_text("x")
    (machine.mountpoint / "srv/big").write_text("x" * 5000)
    logind.shut_down()
    wait_until(lambda: logind.held() == 0, "the inhibitor let go")
    assert wall.read_text().splitlines() == [
        "impermanence: the next boot takes away 2 paths, 4.9 KiB",
        "  what of it is yours: impermanence status",
    ], "no path: every terminal shows it"
    said = daemon.output().splitlines()
    first = said.index("impermanenced: the next boot takes away 2 paths, 4.9 KiB")
    assert said[first + 1].startswith("impermanenced: /srv/big created"), "what hurts most first"
    assert said[first + 2].startswith("impermanenced: /etc/small\\x0aforged created")
    wait_until(lambda: leaving.got, "the signal")
    count, size, worst = leaving.got[0]
    assert (count, size) == (2, 5001)
    assert [bytes(path) for path in worst] == [b"/srv/big", b"/etc/small\nforged"]


def test_a_shutdown_that_is_called_off_can_be_held_up_again(
    logind: FakeLogind, daemon: Daemon, state: Path
) -> None:
    wait_until(lambda: logind.held() == 1, "the inhibitor")
    logind.shut_down()
    wait_until(lambda: logind.held() == 0, "the inhibitor let go")
    logind.shut_down(False)
    wait_until(lambda: logind.held() == 1, "another inhibitor")
    assert daemon.stop() == 0
    assert not (state / "boots/7.end").exists(), "the boot goes on"


def test_nothing_lost_is_nothing_to_tell_everybody(logind: FakeLogind, daemon: Daemon, wall: Path) -> None:
    wait_until(lambda: logind.held() == 1, "the inhibitor")
    logind.shut_down()
    wait_until(lambda: logind.held() == 0, "the inhibitor let go")
    assert not wall.exists()
    assert "takes away 0 paths" in daemon.output()


def refuse(machine: Machine) -> None:
    """Spoil what the next boot needs."""
    sh("btrfs", "property", "set", "-ts", machine.filesystem.top / "root-blank", "ro", "false")


@pytest.mark.parametrize("why", ["trial", "asked", "hold", "refused"])
def test_what_is_not_wiped_is_not_lost(
    why: str, bus: Bus, logind: FakeLogind, machine: Machine, state: Path, wall: Path, tmp_path: Path
) -> None:
    words = {
        "trial": "this is a trial",
        "asked": "somebody asked to keep",
        "hold": "wiping pauses",
        "refused": "the rollback will be refused (blank-writable)",
    }[why]
    if why == "trial":
        machine.write_config("[rollback]\nwipe = false\n")
        machine.set_up()
    elif why == "refused":
        refuse(machine)
    elif why == "asked":
        (state / "next").write_bytes(records.format_next(NextRequest("keep", "some-id")))
    else:
        record = BootRecord(7, BOOT_ID, 1_700_000_000, "6.1.0", "kept", hold=True)
        (state / "boots/7.env").write_bytes(records.format_record(record))
    (machine.mountpoint / "etc/new").write_text("x")
    leaving = Emitted(bus, "Leaving")
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    try:
        daemon.wait_ready()
        wait_until(lambda: logind.held() == 1, "the inhibitor")
        logind.shut_down()
        wait_until(lambda: logind.held() == 0, "the inhibitor let go")
        assert f"{words}" in daemon.output()
        assert "does not take away 1 path" in daemon.output()
        assert not wall.exists()
        wait_until(lambda: leaving.got, "the signal")
        assert leaving.got[0] == (0, 0, [])
    finally:
        assert daemon.stop() == 0, daemon.output()


def test_a_logind_that_starts_later_is_asked_too(bus: Bus, daemon: Daemon) -> None:
    wait_until(lambda: "will not wait" in daemon.output(), "the word that there is none")
    logind = FakeLogind(bus)
    try:
        wait_until(lambda: logind.held() == 1, "the inhibitor")
    finally:
        logind.close()


@pytest.mark.parametrize("told_by", ["logind", "systemd"])
def test_the_end_of_a_boot_is_recorded(
    told_by: str, bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon, state: Path
) -> None:
    systemd = FakeSystemd(bus)
    systemd.state = "running"
    wait_until(lambda: logind.held() == 1, "the inhibitor")
    sh("touch", machine.mountpoint / "etc/before")
    if told_by == "logind":
        logind.shut_down()
        wait_until(lambda: logind.held() == 0, "the inhibitor let go")
        logind.delay = 1  # it may have ended by then, and what it said once counts
    else:
        systemd.state = "stopping"
    (machine.mountpoint / "etc/at-logout").write_text("12345")
    daemon.process.terminate()
    wait_until(lambda: daemon.process.poll() is not None, "its end")
    assert daemon.process.returncode == 0
    end = records.parse_end((state / "boots/7.end").read_bytes())
    assert (end.boot_id, end.crud, end.size, end.complete) == (BOOT_ID, 2, 5, True)
    assert end.time > 1_700_000_000
    assert (state / "boots/7.end").stat().st_mode & 0o777 == 0o600


def test_a_restart_is_no_end(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon, state: Path, tmp_path: Path
) -> None:
    assert daemon.stop() == 0
    assert not (state / "boots/7.end").exists()
    (state / "boots/7.end").write_bytes(records.format_end(records.EndRecord(BOOT_ID, 1, 2, 3, True)))
    again = Daemon(bus, tmp_path, "--config", machine.config)
    again.wait_ready()
    assert not (state / "boots/7.end").exists(), "this boot goes on"
    assert again.stop() == 0


def test_a_boot_without_a_record_has_no_end(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon, state: Path
) -> None:
    other = BootRecord(7, "00000000-1111-2222-3333-444444444444", 1_700_000_000, "6.1.0", "wiped")
    (state / "boots/7.env").write_bytes(records.format_record(other))
    logind.shut_down()
    wait_until(lambda: "takes away" in daemon.output(), "the last words")
    assert daemon.stop() == 0
    assert not (state / "boots/7.end").exists()


class Busy(Registration):
    """Answers only what the state of the system is."""

    def _called(self, *arguments: Any) -> None:
        _, _, _, _, method, parameters, invocation = arguments
        if method == "Get" and parameters.unpack()[1] == "SystemState":
            super()._called(*arguments)
        else:
            BusySystemd.waiting.append(invocation)


class BusySystemd(FakeSystemd):
    """A systemd that has something else to do than to tell of its units, and of its times."""

    XML = f"""<node><interface name="{SYSTEMD}.Manager">
        <method name="ListUnitsByPatterns">
          <arg type="as" direction="in"/><arg type="as" direction="in"/>
          <arg type="a(ssssssouso)" direction="out"/>
        </method>
        <property name="SystemState" type="s" access="read"/>
        <property name="KernelTimestamp" type="t" access="read"/></interface></node>"""
    waiting: ClassVar[list[Any]] = []

    def __init__(self, bus: Bus) -> None:
        self.state = "running"
        self.con = bus.connect()
        self.waiting.clear()
        Busy(self.con, "/org/freedesktop/systemd1", self.XML, {}, {"SystemState": self._answer})
        self.asked = 0
        request_name(self.con, SYSTEMD)


def test_a_report_that_takes_too_long_holds_up_no_shutdown(
    bus: Bus, logind: FakeLogind, machine: Machine, daemon: Daemon, state: Path
) -> None:
    """It took SIGKILL after half a minute at most shutdowns of a slow machine."""
    wait_until(lambda: logind.held() == 1, "the inhibitor")
    logind.delay = 5_000_000
    (machine.mountpoint / "etc/before").write_text("12345")
    fetch(bus, machine.config)
    systemd = BusySystemd(bus)
    for number in range(2 * report_process.BIG):  # a process of its own makes that report
        (machine.mountpoint / f"srv/{number}").touch()
    logind.shut_down()
    wait_until(lambda: systemd.waiting, "the question of the last report")
    wait_until(lambda: logind.held() == 0, "the inhibitor let go")
    assert "the last report was cut at 3 s" in daemon.output()
    assert daemon.stop() == 0
    said = daemon.output().partition("the last report was cut at 3 s")[2]
    assert "the last report would take longer than 2 s" in said, "and what was cut once is not begun again"
    end = records.parse_end((state / "boots/7.end").read_bytes())
    assert (end.crud, end.size, end.complete) == (1, 5, False), "what the report before it found, at least"
