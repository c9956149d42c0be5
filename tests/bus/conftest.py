"""A system bus of our own, a BTRFS to watch, and the daemon between them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pydbus
import pytest
from gi.repository import Gio, GLib

from impermanenced.boots import setup
from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.report.report import Manager
from impermanenced.system import frames
from impermanenced.system.dbus import Registration, request_name

from ..conftest import Filesystem
from ..isolation import PATIENCE
from ..shell.hook import INSTALLED, built

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
T = TypeVar("T")

BUS_CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={directory}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
  {more}
</busconfig>
"""


def wait_until(check: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """The first true answer; what comes over the bus is served meanwhile."""
    end = time.monotonic() + patience
    context = GLib.MainContext.default()
    again = GLib.timeout_add(20, lambda: GLib.SOURCE_CONTINUE)  # not all that is waited for is news
    try:
        while not (answer := check()):
            assert time.monotonic() < end, f"not within {patience} s: {what}"
            context.iteration(True)
            while context.iteration(False):
                pass
    finally:
        GLib.source_remove(again)
    return answer


def run_beside(
    *argv: str | Path, env: Mapping[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program; what it, or the daemon, asks of this process over the bus is answered meanwhile."""
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        subprocess.Popen(argv, stdout=out, stderr=err, env=env, cwd=cwd) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None, f"the end of {argv[-1]}")
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(argv, process.returncode, out.read(), err.read())


# None is ever let go.  The collector could meet it in any line, holding Python's lock and wanting one of
# GLib's, while GLib's thread holds that one and wants Python's, to say that its reference is gone: both wait.
_CONNECTIONS: list[Any] = []


class Bus:
    def __init__(self, directory: Path, more: str = "") -> None:
        self.directory = directory
        config = directory / "bus.conf"
        policy = REPOSITORY / "systemd/dbus/org.impermanence.Manager1.conf"
        shutil.copy(policy, directory / "policy.conf")
        config.write_text(BUS_CONFIG.format(directory=directory, policy=directory / "policy.conf", more=more))
        self.process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip()
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.environment.pop("JOURNAL_STREAM", None)
        self._links: list[frames.Link] = []

    def connect(self) -> Any:
        con = pydbus.connect(self.address).con
        _CONNECTIONS.append(con)
        return con

    def link(self) -> frames.Link:
        """Return a connection like the daemon's, which closes with the bus."""
        link = frames.connect(self.address)
        _CONNECTIONS.append(link.con)
        self._links.append(link)
        return link

    def close(self) -> None:
        for link in self._links:
            link.close()
        assert self.process.stdout
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def a_bus(more: str = "") -> Iterator[Bus]:
    directory = Path(tempfile.mkdtemp(prefix="impermanence-bus-"))
    directory.chmod(0o755)  # other users connect too
    bus = Bus(directory, more)
    try:
        yield bus
    finally:
        bus.close()
        shutil.rmtree(directory)


@pytest.fixture
def bus() -> Iterator[Bus]:
    with a_bus() as bus:
        yield bus


SYSTEMD = "org.freedesktop.systemd1"


@pytest.fixture
def bus_with_systemd() -> Iterator[Bus]:
    policy = f'<allow own="{SYSTEMD}"/><allow send_destination="{SYSTEMD}"/>'
    with a_bus(f'<policy context="default">{policy}</policy>') as bus:
        yield bus


class FakeSystemd:
    """The one property that the daemon reads, under the name and path that systemd has."""

    XML = f"""<node><interface name="{SYSTEMD}.Manager">
        <property name="SystemState" type="s" access="read"/></interface></node>"""

    def __init__(self, bus: Bus) -> None:
        self.state = "starting"
        self.asked = 0
        self.con = bus.connect()
        properties = {"SystemState": self._answer}
        self.registration = Registration(self.con, "/org/freedesktop/systemd1", self.XML, {}, properties)
        request_name(self.con, SYSTEMD)

    def _answer(self) -> Any:
        self.asked += 1
        return GLib.Variant("s", self.state)


class Daemon:
    """The real program on a bus; `ready` is when it has its name there."""

    def __init__(
        self,
        bus: Bus,
        directory: Path,
        *arguments: str | Path,
        command: list[str] | None = None,
        watchdog: int = 600,
    ):
        self.bus = bus
        self.watchdog = f"WATCHDOG_USEC={watchdog}000000"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(os.fspath(directory / f"notify{time.monotonic_ns()}"))
        self.notify.setblocking(False)  # it is read by hand: `watchdog` seconds must not fill it
        self.log = directory / f"log{time.monotonic_ns()}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    *(command or []),
                    *(sys.executable, "-m", "impermanenced.daemon.main"),
                    *map(str, arguments),
                ],
                stderr=log,
                cwd=REPOSITORY,
                env=bus.environment
                | {"NOTIFY_SOCKET": self.notify.getsockname(), "WATCHDOG_USEC": f"{watchdog}000000"},
            )

    def notified(self) -> bytes:
        """What it told systemd, one message a call; empty when it said nothing yet."""
        with contextlib.suppress(BlockingIOError):
            return self.notify.recv(100)
        return b""

    def wait_ready(self) -> None:
        answers = f"READY=1\nSTATUS=Watching root with fanotify\n{self.watchdog}".encode()
        for expected in (b"READY=1", answers):  # the first when it is marked
            message = wait_until(lambda: self.notified() or self.process.poll() is not None, "ready")
            assert message == expected, self.output()

    def output(self) -> str:
        return self.log.read_text()

    def rss(self) -> int:
        """kB"""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def wait(self) -> int:
        """Its exit status; what it asks on its way out is answered."""
        wait_until(lambda: self.process.poll() is not None, "its end")
        return self.process.returncode

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        finally:
            self.process.kill()
            self.notify.close()


class Machine:
    """`root` rolled back to `root-blank`, mounted at `mountpoint`, and a configuration that says so."""

    def __init__(self, filesystem: Filesystem, directory: Path) -> None:
        self.filesystem = filesystem
        seed = filesystem.subvolume("seed")
        for name in ("etc", "home", "srv", "tmp", "var"):
            (seed / name).mkdir()
        (seed / "etc/hosts").write_text("127.0.0.1 localhost\n")
        filesystem.snapshot("seed", "root-blank", readonly=True)
        filesystem.snapshot("root-blank", "root")
        filesystem.subvolume("other")
        self.mountpoint = filesystem.mount(directory / "root", "subvol=root")
        self.config = directory / "conf" / "config.toml"
        self.config.parent.mkdir()
        self.write_config()

    def write_config(self, more: str = "") -> None:
        temporary = self.config.with_suffix(".new")
        temporary.write_text(f'[[volume]]\nmountpoint = "{self.mountpoint}"\npath = "/"\n{more}')
        temporary.rename(self.config)

    def set_up(self) -> None:
        """Have the next boot wipe, as the configuration says."""
        built(INSTALLED)
        with Manager(os.fsencode(self.config)) as manager:
            setup.run(manager.config, manager.machine, dry_run=False)


def begin(con: Any, what: tuple[str, str, str], arguments: Any, got: list[str], descriptors: int = 1) -> None:
    """Begin a call of the daemon with descriptors of ours; `what` is path, interface and method.

    `got` gets the name of the error, or "" for an answer.
    """

    def answered(con: Any, result: Any) -> None:
        try:
            con.call_with_unix_fd_list_finish(result)
            got.append("")
        except GLib.Error as error:
            got.append(Gio.DBusError.get_remote_error(error) or error.message)

    fds = Gio.UnixFDList()
    for fd in range(descriptors):
        fds.append(fd)
    con.call_with_unix_fd_list(BUS_NAME, *what, arguments, None, 0, 60_000, fds, None, answered)


def until_heard(con: Any) -> None:
    """The bus does what it is asked in turn: this answered, it knows what the connection listens to."""
    bus = "org.freedesktop.DBus"
    con.call_sync(bus, "/org/freedesktop/DBus", bus, "GetId", None, None, 0, int(PATIENCE * 1000), None)


class Signals:
    """The Crud signals that a connection has got."""

    def __init__(self, con: Any) -> None:
        self.got: list[tuple[bytes, str, str, int, int]] = []
        self.con = con
        con.signal_subscribe(
            BUS_NAME, INTERFACE, "Crud", OBJECT_PATH, None, Gio.DBusSignalFlags.NONE, self._receive
        )
        until_heard(con)

    def _receive(self, *arguments: Any) -> None:
        path, *rest = arguments[5].unpack()
        self.got.append((bytes(path), *rest))

    def paths(self) -> set[bytes]:
        return {signal[0] for signal in self.got}


class Emitted:
    """What comes with one of the daemon's signals."""

    def __init__(self, bus: Bus, signal: str) -> None:
        self.got: list[Any] = []
        self.con = bus.connect()
        none = Gio.DBusSignalFlags.NONE
        self.con.signal_subscribe(BUS_NAME, INTERFACE, signal, OBJECT_PATH, None, none, self._receive)
        until_heard(self.con)

    def _receive(self, *arguments: Any) -> None:
        self.got.append(arguments[5].unpack())


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path) -> Machine:
    return Machine(filesystem, tmp_path)


@pytest.fixture
def daemon(bus: Bus, machine: Machine, tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        code = daemon.stop()
    assert code == 0, daemon.output()
    assert "Traceback" not in daemon.output(), daemon.output()


def get_properties(bus: Bus, con: Any = None) -> dict[str, Any]:
    answer = (con or bus.connect()).call_sync(
        BUS_NAME,
        OBJECT_PATH,
        "org.freedesktop.DBus.Properties",
        "GetAll",
        GLib.Variant("(s)", (INTERFACE,)),
        None,
        Gio.DBusCallFlags.NONE,
        int(PATIENCE * 1000),
        None,
    )
    (properties,) = answer.unpack()
    assert isinstance(properties, dict)
    return properties


def fetch(bus: Bus, config: Path, uid: int = 0) -> Any:
    """What the client gets as this user, by a process of its own; an error as its class and message."""
    program = (
        "import json, os, sys\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "from impermanenced.bus.client import fetch_report\n"
        "from impermanenced.document.report import report_to_json\n"
        "from impermanenced.errors import ImpermanenceError\n"
        "os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)\n"
        "try: report = fetch_report(os.fsencode(sys.argv[1]))\n"
        "except ImpermanenceError as error: print(json.dumps([type(error).__name__, error.message]))\n"
        "else: print(json.dumps(report and report_to_json(report)))\n"
    )
    argv = (sys.executable, "-c", program, config, str(uid), REPOSITORY)
    result = run_beside(*argv, env=bus.environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)
