"""`impermanence watch --notify`: from the real daemon to a notification service on a session's own bus."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydbus
import pytest
from gi.repository import GLib

from impermanenced.system.dbus import Call, Registration, request_name
from impermanenced.system.notifications import SERVER, Desktop

from .conftest import _CONNECTIONS, NOBODY, Bus, Daemon, Machine, wait_until
from .test_watch import PROGRAM, run, watching

# Half a minute between two notifications is another test's.
HASTY = PROGRAM.replace(
    "uid =", "from impermanenced.cli import notify; notify.EVERY = min(2.0, notify.EVERY)\nuid ="
)

# As the specification has it, as far as it is used.
XML = f"""<node><interface name="{SERVER.interface}">
  <method name="GetCapabilities"><arg type="as" direction="out"/></method>
  <method name="Notify">
    <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
    <arg type="a{{sv}}" direction="in"/><arg type="i" direction="in"/>
    <arg type="u" direction="out"/>
  </method>
  <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
</interface></node>"""

SESSION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={directory}/bus</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@pytest.fixture
def session(bus: Bus) -> Iterator[str]:
    """The bus of a session of nobody's, which the test may use too; its address."""
    directory = Path(tempfile.mkdtemp(prefix="impermanence-session-"))
    config = directory / "session.conf"
    config.write_text(SESSION.format(directory=directory))
    os.chown(directory, NOBODY, NOBODY)
    argv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    argv += ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        bus.environment["DBUS_SESSION_BUS_ADDRESS"] = process.stdout.readline().strip()
        yield bus.environment["DBUS_SESSION_BUS_ADDRESS"]
        process.terminate()
    shutil.rmtree(directory)


class Screen:
    """A notification service that keeps what it is to show."""

    def __init__(self, address: str, capabilities: tuple[str, ...] = ("body", "body-markup")) -> None:
        self.shown: list[tuple[Any, ...]] = []
        self.capabilities = capabilities
        self.con = pydbus.connect(address).con
        _CONNECTIONS.append(self.con)
        methods = {"GetCapabilities": self._tell_capabilities, "Notify": self._notify}
        self.registration = Registration(self.con, SERVER.path, XML, methods, {})
        request_name(self.con, SERVER.name)

    def _tell_capabilities(self, call: Call) -> None:
        call.reply(GLib.Variant("(as)", (self.capabilities,)))

    def _notify(self, call: Call) -> None:
        self.shown.append(call.parameters.unpack())
        call.reply(GLib.Variant("(u)", (self.shown[-1][1] or len(self.shown) + 6,)))

    def close(self, number: int) -> None:
        self.registration.emit("NotificationClosed", GLib.Variant("(uu)", (number, 2)))

    def text(self) -> str:
        return "\n".join(shown[4] for shown in self.shown)


@pytest.fixture
def homes(machine: Machine) -> Path:
    """Where nobody may write."""
    home = machine.mountpoint / "srv/nobody"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    return home


def write(path: Path, text: str = "x" * 1000) -> None:
    path.write_text(text)
    os.chown(path, NOBODY, NOBODY)


def test_what_is_written_is_shown_to_whom_it_belongs(
    bus: Bus, session: str, machine: Machine, homes: Path, daemon: Daemon, tmp_path: Path
) -> None:
    screen = Screen(session)
    with watching(bus, tmp_path, "--notify", uid=NOBODY, program=HASTY) as watch:
        wait_until(lambda: followed(daemon, homes, screen), "the first notification")
        (machine.mountpoint / "etc/of-root").write_text("x")
        (homes / "<b>bold<").mkdir()
        write(homes / "<b>bold<" / "&amp;\n\x1b[31m")
        write(homes / "key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 400)
        wait_until(lambda: "secret" in screen.text(), "the next one")
        app, replaces, icon, summary, body, actions, hints, _ = screen.shown[-1]
        assert (app, icon, actions, hints["urgency"]) == ("impermanence", "dialog-warning", [], 1)
        assert replaces == 7, "in place of the one before"
        assert summary.endswith(" would be lost at the next boot") and summary.isprintable()
        lines = body.splitlines()
        assert lines[0] == "secret: /srv/nobody/key", "by its path alone"
        assert "<" not in body and r"/srv/nobody/&lt;b&gt;bold&lt;" in body
        assert all(line.isprintable() for line in lines)
        assert "of-root" not in screen.text()
        assert (watch.out.read_text(), watch.err.read_text()) == ("", "")


def followed(daemon: Daemon, homes: Path, screen: Screen) -> bool:
    """News are not kept for it, so there are some until one is shown."""
    path = homes / f"{len(os.listdir(homes))}.txt"
    write(path)
    wait_until(lambda: f"/srv/nobody/{path.name} created" in daemon.output(), "it said")
    return bool(screen.shown)


def test_where_markup_is_not_understood_it_is_shown_as_it_is(session: str) -> None:
    screen = Screen(session, ("body",))
    con = pydbus.connect(session).con
    _CONNECTIONS.append(con)
    seen: list[int] = []
    desktop = Desktop(con, lambda: seen.append(1))
    shown = show_in_thread(desktop, "summary", ["a < b & c", "two"])
    wait_until(lambda: shown, "it shown")
    assert screen.shown[0][4] == "a < b & c\ntwo"
    screen.close(99)
    screen.close(7)
    wait_until(lambda: seen, "the word that it was taken away")
    assert seen == [1]
    shown = show_in_thread(desktop, "summary", ["three"])
    wait_until(lambda: shown, "it shown")
    assert screen.shown[1][1] == 0, "nothing to take the place of"


def show_in_thread(desktop: Desktop, summary: str, lines: list[str]) -> list[bool]:
    """The service answers in this thread."""
    done: list[bool] = []

    def show() -> None:
        desktop.show(summary, lines, 1)
        done.append(True)

    threading.Thread(target=show).start()
    return done


def test_without_a_service_it_says_so_and_goes_on(
    bus: Bus, session: str, machine: Machine, homes: Path, daemon: Daemon, tmp_path: Path
) -> None:
    with watching(bus, tmp_path, "--notify", uid=NOBODY) as watch:
        for number in range(20):
            write(homes / f"{number}.txt")
            wait_until(lambda: f"/srv/nobody/{number}.txt created" in daemon.output(), "it said")  # noqa: B023
            if watch.err.read_text():
                break
        assert watch.err.read_text().startswith("impermanence: no notification can be shown: ")
        assert watch.process.poll() is None


def test_a_daemon_that_is_not_there_yet_is_waited_for(
    bus: Bus, session: str, machine: Machine, homes: Path, tmp_path: Path
) -> None:
    screen = Screen(session)
    with watching(bus, tmp_path, "--notify", uid=NOBODY) as watch:
        daemon = Daemon(bus, tmp_path, "--config", machine.config)
        try:
            daemon.wait_ready()
            wait_until(lambda: followed(daemon, homes, screen), "a notification")
        finally:
            assert daemon.stop() == 0
        assert watch.process.poll() is None


def test_the_bus_of_another_user_is_refused(bus: Bus, session: str) -> None:
    """What root sees is not for them."""
    assert run(bus, "--notify") == (
        4,
        "impermanence: the session bus is another user's\nhint: run it as the user of the session\n",
    )


def test_without_a_session(bus: Bus, tmp_path: Path) -> None:
    bus.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={tmp_path}/nothing"
    code, said = run(bus, "--notify")
    assert code == 1 and said.startswith("impermanence: session bus: ")
    assert said.endswith("\nhint: notifications are for a session: run it as its user\n")
