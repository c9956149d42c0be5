"""`impermanence watch` beside the real daemon: lines, objects, who sees what, and how it ends."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.document import fields

from ..conftest import sh
from ..isolation import PATIENCE
from ..schema import checked
from .conftest import NOBODY, REPOSITORY, Bus, Daemon, Machine, run_beside, wait_until

PROGRAM = (
    "import os, sys\n"
    "sys.path.insert(0, sys.argv.pop(2))\n"
    "from impermanenced.cli.main import command\n"
    "uid = int(sys.argv.pop(1))\n"
    "os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)\n"
    "sys.exit(command())\n"
)


class Watching:
    """The command as a process, with what it has written so far."""

    def __init__(
        self, bus: Bus, directory: Path, *argv: str | Path, uid: int = 0, program: str = PROGRAM
    ) -> None:
        self.out, self.err = directory / f"out{uid}", directory / f"err{uid}"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(uid), REPOSITORY, "watch", *map(str, argv)],
                stdout=out,
                stderr=err,
                env={**bus.environment, "TZ": "UTC"},
                cwd="/",
            )

    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    def news(self) -> list[Any]:
        return [checked("watch", line) for line in self.lines()]

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def watching(
    bus: Bus, directory: Path, *argv: str | Path, uid: int = 0, program: str = PROGRAM
) -> Iterator[Watching]:
    watch = Watching(bus, directory, *argv, uid=uid, program=program)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.process.wait()


def follow(bus: Bus, machine: Machine, watch: Watching, path: str) -> None:
    """Until it follows: what it begins with has this path."""
    wait_until(lambda: path in watch.out.read_text() or watch.process.poll() is not None, f"{path} shown")
    assert watch.process.poll() is None, watch.err.read_text()


def announce(machine: Machine, daemon: Daemon, name: str) -> str:
    (machine.mountpoint / name).write_text("x" * 1000)
    wait_until(lambda: f"/{name}" in daemon.output(), "the entry in the journal")
    return f"/{name}"


def test_what_is_written_is_a_line(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    with watching(bus, tmp_path, "-n", "1") as watch:
        before = announce(machine, daemon, "etc/before")
        follow(bus, machine, watch, before)
        (machine.mountpoint / "srv/tree").mkdir()
        for number in range(3):
            (machine.mountpoint / f"srv/tree/{number}").write_text("x" * 1000)
        wait_until(lambda: "/srv/tree" in watch.out.read_text(), "the tree")
        (machine.mountpoint / "etc/hosts").chmod(0o600)
        wait_until(lambda: "/etc/hosts" in watch.out.read_text(), "the change")
        program = os.path.basename(os.path.realpath(sys.executable))
        lines = [line.split(maxsplit=1) for line in watch.lines()]
        assert all(len(clock) == len("09:14:07") for clock, _ in lines)
        assert [rest for _, rest in lines] == [
            f"config         /etc/before  created, 1000 B  {program} (root)",
            f"document       /srv/tree  4 paths created, 2.9 KiB  {program} (root)",
            f"config         /etc/hosts  changed, 20 B  {program} (root)",
        ]
        assert watch.err.read_text() == ""


@pytest.mark.parametrize(("lines", "shown"), [("all", 12), ("3", 3), ("0", 0), (None, 10)])
def test_what_it_begins_with(
    lines: str | None, shown: int, bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    for number in range(12):
        (machine.mountpoint / f"srv/{number:02}").mkdir()
        (machine.mountpoint / f"srv/{number:02}/file").touch()
    wait_until(lambda: daemon.output().count("undeclared: ") == 12, "them announced")
    with watching(bus, tmp_path, *(("--lines", lines) if lines else ())) as watch:
        wait_until(lambda: len(watch.lines()) >= shown, "what was before")
        numbers = itertools.count()
        wait_until(lambda: announce(machine, daemon, f"etc/{next(numbers)}") in watch.out.read_text(), "more")
        assert ["/srv/" in line for line in watch.lines()].count(True) == shown
        assert "/srv/11" in watch.lines()[shown - 1] or not shown, "the newest"


def test_objects_a_line(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    names = [b"a\nb", b"\x1b[31mred", b"\xff" * 255, "ü".encode()]
    for number in range(4):
        (machine.mountpoint / f"srv/{number}").mkdir()
    with watching(bus, tmp_path, "--json", "--lines=all") as watch:
        for number, name in enumerate(names):
            with open(os.fsencode(machine.mountpoint) + b"/srv/%d/" % number + name, "wb"):
                pass
        wanted = {b"/srv/%d" % number for number in range(4)}
        wait_until(lambda: wanted <= {fields.path(one)[:6] for one in watch.news()}, "all of them")
        for one in watch.news():
            assert (one["version"], one["kind"]) == (1, "crud")
            assert {"time", "loss", "change", "bytes", "count", "writer"} <= set(one)
        assert watch.out.read_text().isascii()


def test_names_move_no_cursor(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    with watching(bus, tmp_path, "--lines=all") as watch:
        with open(os.fsencode(machine.mountpoint) + b"/etc/\n\x1b]0;x\x07\xff", "wb"):
            pass
        wait_until(watch.lines, "a line")
        (line,) = watch.lines()
        assert r"/etc/\x0a\x1b]0;x\x07\xff  created" in line and line.isprintable()


def test_a_user_sees_what_is_theirs(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    with watching(bus, tmp_path, "--json", "--lines=all", uid=NOBODY) as watch:
        announce(machine, daemon, "etc/of-root")
        (machine.mountpoint / "srv/theirs").touch()
        os.chown(machine.mountpoint / "srv/theirs", NOBODY, NOBODY)
        wait_until(watch.news, "their own")
        assert [one["path"] for one in watch.news()] == ["/srv/theirs"]
        assert watch.err.read_text() == (
            "impermanence: only what belongs to you is shown\nhint: root sees everything\n"
        )


def test_a_user_hears_of_a_crowd_of_theirs(
    bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    """So many files that they are not looked at one by one."""
    home = machine.mountpoint / "srv/theirs"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    of_root = machine.mountpoint / "srv/of-root"
    of_root.mkdir()
    script = 'i=0; while [ $i -lt 200 ]; do echo x > "$0/$i"; i=$((i+1)); done'
    with watching(bus, tmp_path, "--json", "--lines=all", uid=NOBODY) as watch:
        sh("setpriv", f"--reuid={NOBODY}", "--clear-groups", "sh", "-c", script, ".", cwd=home)
        sh("sh", "-c", script, of_root)
        wait_until(lambda: "of-root" in daemon.output(), "root's crowd")
        wait_until(lambda: sum(one["count"] for one in watch.news()) >= 200, "theirs")
        assert all(one["path"].startswith("/srv/theirs") for one in watch.news())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_as_journalctl_does(
    number: int, bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    mark = announce(machine, daemon, "etc/mark")
    with watching(bus, tmp_path) as watch:
        follow(bus, machine, watch, mark)
        assert watch.end(number) == -number, "a shell says 128 and the number, and stops its loop"
        assert watch.err.read_text() == ""


def test_a_reader_that_goes_ends_it(bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path) -> None:
    """Also when nothing is written that would show it."""
    announce(machine, daemon, "etc/mark")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "0", REPOSITORY, "watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=bus.environment,
    ) as process:
        assert process.stdout and process.stderr
        assert b"/etc/mark" in process.stdout.readline()
        process.stdout.close()
        assert (process.wait(PATIENCE), process.stderr.read()) == (141, b"")


def test_it_follows_over_a_restart(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    daemon.wait_ready()
    mark = announce(machine, daemon, "etc/one")
    with watching(bus, tmp_path, "--config", machine.config) as watch:
        follow(bus, machine, watch, mark)
        assert daemon.stop() == 0
        wait_until(lambda: "has stopped" in watch.err.read_text(), "the word of its end")
        again = Daemon(bus, tmp_path, "--config", machine.config)
        again.wait_ready()
        try:
            announce(machine, again, "etc/two")
            wait_until(lambda: "/etc/two" in watch.out.read_text(), "what comes then")
        finally:
            assert again.stop() == 0
        assert watch.err.read_text().startswith(
            "impermanence: impermanenced has stopped, what is written meanwhile is not seen\n"
            "impermanence: impermanenced is back\n"
        )
        assert len(watch.lines()) == 2, "nothing twice"


def test_a_daemon_killed_and_followed_again_tells_what_it_saw_before_that(
    bus: Bus, machine: Machine, tmp_path: Path
) -> None:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    daemon.wait_ready()
    mark = announce(machine, daemon, "etc/one")
    with watching(bus, tmp_path) as watch:
        follow(bus, machine, watch, mark)
        daemon.process.kill()
        daemon.stop()
        watch.process.send_signal(signal.SIGSTOP)
        again = Daemon(bus, tmp_path, "--config", machine.config)
        again.wait_ready()
        try:
            announce(machine, again, "etc/two")
            watch.process.send_signal(signal.SIGCONT)
            wait_until(lambda: "/etc/two" in watch.out.read_text(), "what it had not heard")
        finally:
            assert again.stop() == 0
        assert len(watch.lines()) == 2


def run(bus: Bus, *argv: str | Path, uid: int = 0) -> tuple[int, str]:
    called = (sys.executable, "-c", PROGRAM, str(uid), REPOSITORY, "watch", *argv)
    result = run_beside(*called, env=bus.environment)
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_without_a_daemon(bus: Bus) -> None:
    assert run(bus) == (1, "impermanence: impermanenced does not run\nhint: systemctl start impermanenced\n")


def test_without_a_bus(bus: Bus, tmp_path: Path) -> None:
    bus.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={tmp_path}/nothing"
    assert run(bus) == (1, "impermanence: there is no system bus\nhint: systemctl status dbus\n")


def test_when_the_bus_goes(bus: Bus, machine: Machine, tmp_path: Path) -> None:
    daemon = Daemon(bus, tmp_path, "--config", machine.config)
    daemon.wait_ready()
    mark = announce(machine, daemon, "etc/mark")
    with watching(bus, tmp_path) as watch:
        follow(bus, machine, watch, mark)
        bus.close()
        assert watch.process.wait(PATIENCE) == 1
        assert watch.err.read_text().endswith(
            "impermanence: the system bus closed the connection\nhint: systemctl status dbus\n"
        )
    daemon.stop()


def test_another_configuration_is_not_followed(
    bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("")
    code, said = run(bus, "--config", other)
    assert code == 1
    assert said == f"impermanence: impermanenced runs with {machine.config}, not with {other}\n"


def test_what_is_said_in_its_name_by_others_is_not_believed(
    bus: Bus, machine: Machine, daemon: Daemon, tmp_path: Path
) -> None:
    """A signal to one connection comes through whatever it asked for."""
    mark = announce(machine, daemon, "etc/mark")
    with watching(bus, tmp_path) as watch:
        follow(bus, machine, watch, mark)
        con = bus.connect()
        names = con.call_sync(
            "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ListNames", None, None, 0, 5000, None
        ).unpack()[0]
        forged = GLib.Variant("(s)", (json.dumps({"kind": "overflow", "time": None, "overflows": 7}),))
        for name in names:
            if name.startswith(":"):
                con.emit_signal(name, OBJECT_PATH, INTERFACE, "News", forged)
        announce(machine, daemon, "srv/then")
        wait_until(lambda: "/srv/then" in watch.out.read_text(), "what the daemon says")
        assert "events" not in watch.out.read_text() and BUS_NAME not in watch.err.read_text()
