"""The whole daemon: a real bus, a real BTRFS, a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.daemon import report_process
from impermanenced.document import fields
from impermanenced.report.visible import blurred

from ..conftest import as_unit, sh
from .conftest import NOBODY, Bus, Daemon, FakeSystemd, Machine, Signals, fetch, get_properties, wait_until


def test_a_write_becomes_a_signal_and_an_entry(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    (machine.mountpoint / "etc/new").write_text("x" * 1000)
    wait_until(lambda: b"/etc/new" in signals.paths(), "a signal")
    path, verdict, _, size, count = signals.got[0]
    assert (path, verdict, size, count) == (b"/etc/new", "crud", 1000, 1)
    report = fetch(bus, machine.config)
    entry = next(entry for entry in report["entries"] if entry["path"] == "/etc/new")
    assert entry["writer"]["pid"] == os.getpid()
    assert entry["writer"]["uid"] == 0
    assert report["watching_since"] and report["overflows"] == 0 and report["complete"]
    assert "undeclared: /etc/new created by" in daemon.output()


def test_what_it_says_of_itself(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    properties = get_properties(bus)
    assert bytes(properties["ConfigFile"]) == os.fsencode(machine.config)
    assert properties["Source"] == "fanotify"
    assert properties["Overflows"] == 0
    assert properties["WatchingSince"] > 1_600_000_000_000_000
    assert properties["Version"]


def test_a_path_is_said_once_and_what_is_no_crud_is_not(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    machine.write_config('[watch]\nignore = ["/tmp/"]\n')
    wait_until(lambda: "read again" in daemon.output(), "a reload")
    signals = Signals(bus.connect())
    (machine.mountpoint / "tmp/x").touch()
    (machine.mountpoint / "etc/log").write_text("1")
    wait_until(lambda: b"/etc/log" in signals.paths(), "a signal")
    with open(machine.mountpoint / "etc/log", "a") as stream:
        stream.write("2")
    (machine.mountpoint / "etc/after").touch()
    wait_until(lambda: b"/etc/after" in signals.paths(), "the next signal")
    assert [signal[0] for signal in signals.got] == [b"/etc/log", b"/etc/after"]


def test_a_broken_configuration_changes_nothing_until_it_is_mended(
    bus: Bus, machine: Machine, daemon: Daemon
) -> None:
    machine.write_config("[watch\n")
    wait_until(lambda: "the one before stays" in daemon.output(), "the complaint")
    assert daemon.output().count("the one before stays") == 1
    assert fetch(bus, machine.config)["complete"]
    machine.write_config('[watch]\nignore = ["/etc/"]\n')
    wait_until(lambda: "read again" in daemon.output(), "a reload")
    (machine.mountpoint / "etc/ignored").touch()
    (entry,) = [one for one in fetch(bus, machine.config)["entries"] if one["path"] == "/etc/ignored"]
    assert entry["verdict"] == "ignored"


def test_other_volumes_are_watched_after_a_reload(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    machine.write_config('name = "renamed"\n')
    wait_until(lambda: daemon.output().count("watching source") == 2, "the watch begun again")
    signals = Signals(bus.connect())
    (machine.mountpoint / "etc/new").touch()
    wait_until(lambda: b"/etc/new" in signals.paths(), "a signal")
    report = fetch(bus, machine.config)
    assert [volume["name"] for volume in report["volumes"]] == ["renamed"]
    assert report["entries"][-1]["writer"]


def test_hang_up_reads_again(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "read again" in daemon.output(), "a reload")


def test_a_subvolume_made_inside_is_said_once(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    (machine.mountpoint / "etc/old").touch()
    signals = Signals(bus.connect())
    sh("btrfs", "subvolume", "create", machine.mountpoint / "home/machine")
    (machine.mountpoint / "home/machine/file").touch()
    wait_until(lambda: b"/home/machine" in signals.paths(), "a signal")
    (machine.mountpoint / "home/machine/more").touch()
    (machine.mountpoint / "etc/after").touch()
    wait_until(lambda: b"/etc/after" in signals.paths(), "a signal after it")
    assert [signal[0] for signal in signals.got].count(b"/home/machine") == 1


def test_what_is_deleted_and_renamed_is_said_too(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    (machine.mountpoint / "etc/hosts").unlink()
    (machine.mountpoint / "home/file").write_text("x")
    (machine.mountpoint / "home").rename(machine.mountpoint / "house")
    wait_until(lambda: {b"/etc/hosts", b"/house"} <= signals.paths(), "the signals")
    assert "undeclared: /etc/hosts deleted by python" in daemon.output()


def test_names_that_are_bytes_survive(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    names = [b"a\nPRIORITY=0", b"\x1b[31mred", b"\xff" * 255, b"back\\slash", "ü".encode()]
    directories = (b"/etc/", b"/home/", b"/srv/", b"/", b"/var/")
    wanted = {directory + name for directory, name in zip(directories, names, strict=True)}
    for path in wanted:
        with open(os.fsencode(machine.mountpoint) + path, "wb"):
            pass
    wait_until(lambda: wanted <= signals.paths(), "the signals")
    entries = fetch(bus, machine.config)["entries"]
    assert wanted <= {fields.path(entry) for entry in entries}
    assert all(line.isprintable() for line in daemon.output().splitlines())
    assert all(line.startswith("impermanenced: ") for line in daemon.output().splitlines())


def test_a_user_sees_what_is_theirs_and_the_sum_of_the_rest(
    bus: Bus, machine: Machine, daemon: Daemon
) -> None:
    (machine.mountpoint / "home/secret-of-root").write_text("12345")
    (machine.mountpoint / "home/mine").write_text("x")
    os.chown(machine.mountpoint / "home/mine", NOBODY, NOBODY)
    everything = fetch(bus, machine.config)
    assert "others" not in everything
    report = fetch(bus, machine.config, NOBODY)
    assert [entry["path"] for entry in report["entries"]] == ["/home/mine"]
    assert not report["complete"]
    others = [one for one in everything["entries"] if one["uid"] != NOBODY]
    size = sum(one["size"] for one in others)
    assert report["others"] == {"entries": blurred(len(others), 16), "bytes": blurred(size, 1 << 20)}


def test_signals_go_to_root_alone(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    """They name paths, and a signal goes to everybody who listens."""
    program = (
        "import os, sys\n"
        "os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "from gi.repository import Gio, GLib\n"
        "import pydbus\n"
        "con = pydbus.connect(os.environ['DBUS_SYSTEM_BUS_ADDRESS']).con\n"
        "loop = GLib.MainLoop()\n"
        "def got(*a): sys.stdout.write(a[4] + '\\n'); sys.stdout.flush(); a[4] == 'Seen' and loop.quit()\n"
        "con.signal_subscribe(None, None, None, None, None, 0, got)\n"
        "bus = 'org.freedesktop.DBus'\n"
        "con.call_sync(bus, '/org/freedesktop/DBus', bus, 'GetId', None, None, 0, 60_000, None)\n"
        "sys.stdout.write('ready\\n'); sys.stdout.flush()\n"
        "GLib.timeout_add_seconds(60, loop.quit)\n"
        "loop.run()\n"
    )
    with subprocess.Popen(
        [os.path.realpath("/usr/bin/python3"), "-c", program],
        env=bus.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as listener:
        assert listener.stdout
        while listener.stdout.readline() != "ready\n":
            assert listener.poll() is None
        con = bus.connect()
        signals = Signals(con)
        (machine.mountpoint / "etc/secret").touch()
        wait_until(lambda: b"/etc/secret" in signals.paths(), "a signal")
        con.emit_signal(None, "/test", "org.example.Test", "Seen", None)
        heard = listener.stdout.read().split()
    assert "Seen" in heard
    assert "Crud" not in heard


def test_a_second_one_refuses(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    second = Daemon(bus, tmp_path, "--config", machine.config)
    assert second.wait() == 1
    assert second.output() == (
        f"impermanenced: {BUS_NAME}: the name is taken, the daemon runs already\n"
        "hint: systemctl status impermanenced\n"
    )
    second.stop()
    assert get_properties(bus)["Source"] == "fanotify", "the first one did not notice"


@pytest.mark.parametrize(
    ("config", "code", "says"),
    [
        ("[watch\n", 1, "config.toml"),
        ('[[volume]]\nmountpoint = "/proc"\n', 5, "/proc is proc, not BTRFS"),
        ('[[volume]]\nmountpoint = "/nowhere"\n', 5, "/nowhere"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(
    bus: Bus, tmp_path: Path, config: str, code: int, says: str
) -> None:
    (tmp_path / "config.toml").write_text(config)
    daemon = Daemon(bus, tmp_path, "--config", tmp_path / "config.toml")
    assert daemon.wait() == code
    daemon.stop()
    first, *hints = daemon.output().splitlines()
    assert first.startswith("impermanenced: ") and says in first
    assert len(hints) <= 1 and all(line.startswith("hint: ") for line in hints)


def test_without_a_bus_it_says_so(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    bus.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/nothing"
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    assert daemon.wait() == 1
    daemon.stop()
    assert daemon.output().startswith("impermanenced: system bus: ")
    assert fetch(bus, machine.config) is None


def test_it_ends_without_taking_the_interpreter_down(machine: Machine, tmp_path: Path) -> None:
    """Gio's thread for D-Bus goes on meanwhile, and crashed one of a hundred processes on a busy machine."""
    program = (
        "import atexit, sys; from impermanenced.daemon import main; "
        "atexit.register(print, 'Python finalises'); main.command()"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, "--config", machine.config],
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("impermanenced: system bus: ")


def test_another_user_cannot_run_it(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    daemon = Daemon(bus, tmp_path, "--version", command=["setpriv", "--reuid=65534", "--clear-groups"])
    if daemon.wait() != 0:
        pytest.skip("needs a checkout that every user can read")
    daemon.stop()
    readable = Path(bus.directory / "config.toml")
    readable.write_text(machine.config.read_text())
    daemon = Daemon(
        bus, tmp_path, "--config", readable, command=["setpriv", "--reuid=65534", "--clear-groups"]
    )
    assert daemon.wait() in (4, 5)
    daemon.stop()
    assert daemon.output().startswith("impermanenced: ")


def test_the_privileges_of_the_unit_are_enough(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    """As systemd would start it: five capabilities, no new privileges, no memory that is written and run."""
    locked = (
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
    )
    daemon = Daemon(
        bus,
        tmp_path,
        "--config",
        machine.config,
        command=[
            *as_unit("impermanenced.service"),
            os.path.realpath("/usr/bin/python3"),
            "-c",
            locked,
        ],
    )
    try:
        daemon.wait_ready()
        signals = Signals(bus.connect())
        directory = machine.mountpoint / "srv/private"
        directory.mkdir(mode=0o700)
        os.chown(directory, NOBODY, NOBODY)
        (directory / "file").touch()
        wait_until(lambda: b"/srv/private" in signals.paths(), "a signal")
        assert get_properties(bus)["Source"] == "fanotify"
        report = fetch(bus, machine.config)
        (entry,) = [one for one in report["entries"] if one["path"] == "/srv/private/file"]
        assert entry["writer"]["exe"], "CAP_SYS_PTRACE reads it"
        for number in range(2 * report_process.BIG):  # a process of its own makes that report
            (directory / f"file{number}").touch()
        assert len(fetch(bus, machine.config)["entries"]) > 2 * report_process.BIG
    finally:
        assert daemon.stop() == 0, daemon.output()


def test_dropped_events_are_said_and_made_up_for(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    limit = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"needs a queue that can be filled: fs.fanotify.max_queued_events is {limit}")
    signals = Signals(bus.connect())
    daemon.process.send_signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{daemon.process.pid}/task")
    wait_until(
        lambda: all(") T " in (task / "stat").read_text() for task in tasks.iterdir()), "all threads stopped"
    )
    for number in range(limit + 10):
        os.mkdir(machine.mountpoint / f"tmp/{number}")
    (machine.mountpoint / "etc/dropped").touch()
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: b"/etc/dropped" in signals.paths(), "the signal of the dropped one")
    assert "events were dropped by the kernel" in daemon.output()
    assert get_properties(bus)["Overflows"] == 1
    assert fetch(bus, machine.config)["overflows"] == 1


def test_what_the_boot_writes_is_one_signal(bus_with_systemd: Bus, machine: Machine, tmp_path: Path) -> None:
    systemd = FakeSystemd(bus_with_systemd)
    daemon = Daemon(bus_with_systemd, tmp_path, "--config", machine.config)
    try:
        wait_until(lambda: systemd.asked, "the first question")
        signals = Signals(bus_with_systemd.connect())
        (machine.mountpoint / "etc/one").touch()
        (machine.mountpoint / "home/two").touch()
        wait_until(lambda: systemd.asked > 1, "the next question")
        assert not signals.got
        systemd.state = "running"
        wait_until(lambda: signals.got, "the sum")
        assert "the boot wrote" in daemon.output()
        assert signals.got[0][0] == b"/"
        (machine.mountpoint / "etc/three").touch()
        wait_until(lambda: b"/etc/three" in signals.paths(), "a signal of its own")
        assert b"/etc/one" not in signals.paths()
    finally:
        assert daemon.stop() == 0, daemon.output()


def test_it_stops_when_the_bus_goes(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    daemon.wait_ready()
    bus.close()
    try:
        assert daemon.wait() == 1, "systemd starts it again"
        assert "closed the connection" in daemon.output()
        assert "Traceback" not in daemon.output()
    finally:
        daemon.stop()


def test_it_beats_for_systemd(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    daemon = Daemon(bus, tmp_path, "--config", machine.config, watchdog=1)
    try:
        daemon.wait_ready()
        assert wait_until(daemon.notified, "a beat") == b"WATCHDOG=1"
    finally:
        assert daemon.stop() == 0


def test_thousands_of_calls_leave_its_memory_as_it_was(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    """pydbus's own server keeps each of them."""
    con = bus.connect()

    def call(times: int) -> None:
        for _ in range(times):
            con.call_with_unix_fd_list_sync(
                BUS_NAME, OBJECT_PATH, INTERFACE, "Status", None, None, 0, 60_000, None, None
            )
            get_properties(bus, con)

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    def leaves_nothing() -> bool:
        before = daemon.rss()
        call(1000)
        return daemon.rss() - before < 1000  # kB

    call(200)
    opened = descriptors()
    wait_until(leaves_nothing, "a thousand calls that add nothing to the ones before")
    # A caller has its answer before the daemon has closed its own end of it.
    wait_until(lambda: descriptors() <= opened, "the last answer to be closed")
