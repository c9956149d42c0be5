"""What the daemon outlives, and what it still knows and says afterwards."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced.document import fields

from ..conftest import Filesystem, sh
from .conftest import Bus, Daemon, Machine, a_bus, fetch, wait_until

UNPACK = """
import os, sys
os.chdir(sys.argv[1])
for directory in range(int(sys.argv[2])):
    os.mkdir(f"d{directory}")
    for name in range(int(sys.argv[3])):
        os.close(os.open(f"d{directory}/{name}", os.O_WRONLY | os.O_CREAT))
sys.stdin.read()
"""

Start = Callable[[], Daemon]


@pytest.fixture
def state(machine: Machine) -> Path:
    """The state directory, as setup makes it."""
    path = machine.filesystem.subvolume(".impermanence")
    path.chmod(0o700)
    return path


@pytest.fixture
def start(bus: Bus, machine: Machine, tmp_path: Path) -> Iterator[Start]:
    started: list[Daemon] = []

    def start() -> Daemon:
        daemon = Daemon(bus, tmp_path, "--config", machine.config)
        started.append(daemon)
        daemon.wait_ready()
        return daemon

    yield start
    for daemon in started:
        daemon.stop()
        assert "Traceback" not in daemon.output(), daemon.output()


def entry(bus: Bus, machine: Machine, path: str) -> Any:
    report = fetch(bus, machine.config)
    return next((entry for entry in report["entries"] if entry["path"] == path), None)


def writer(bus: Bus, machine: Machine, path: str) -> Any:
    found = entry(bus, machine, path)
    return found and found["writer"]


def write(bus: Bus, machine: Machine, name: str) -> None:
    """By a program that lives until the daemon knows who it is: a busy machine may miss a short one."""
    argv = ["dd", f"of={machine.mountpoint / name}", "status=none"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE):
        wait_until(lambda: writer(bus, machine, f"/{name}"), "a writer")


def test_a_restart_goes_on_with_the_writers_of_this_boot(
    bus: Bus, machine: Machine, state: Path, start: Start
) -> None:
    first = start()
    write(bus, machine, "etc/one")
    before = fetch(bus, machine.config)
    assert before["gaps"] == []
    assert first.stop() == 0
    sh("touch", machine.mountpoint / "etc/meanwhile")
    second = start()
    write(bus, machine, "etc/two")
    report = fetch(bus, machine.config)
    assert report["watching_since"] == before["watching_since"]
    assert len(report["gaps"]) == 1
    assert report["watching_since"] <= report["gaps"][0][0] <= report["gaps"][0][1]
    assert writer(bus, machine, "/etc/one")["comm"] == "dd"
    assert entry(bus, machine, "/etc/meanwhile")["writer"] is None, "nobody saw it"
    assert second.stop() == 0
    assert (state / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


def test_the_ledger_is_opened_without_a_mount(bus: Bus, machine: Machine, state: Path, start: Start) -> None:
    """One more mount would hold the filesystem after a kill, or hide something from somebody."""
    daemon = start()
    assert (state / "ledger.sqlite").stat().st_size
    process = Path(f"/proc/{daemon.process.pid}")
    assert os.readlink(process / "ns/mnt") == os.readlink("/proc/self/ns/mnt")
    assert {os.readlink(task / "root") for task in (process / "task").iterdir()} == {"/"}


def test_the_state_directory_alone_can_be_written(
    bus: Bus, machine: Machine, state: Path, start: Start
) -> None:
    """The mount of the top level is none that the unit's sandbox could make read-only."""
    daemon = start()
    write(bus, machine, "etc/one")
    fetch(bus, machine.config)
    directories = f"/proc/{daemon.process.pid}/fd"
    refused = written = 0
    for fd in os.listdir(directories):
        place = f"{directories}/{fd}"
        if not os.path.isdir(place) or os.stat(place).st_ino != 256:  # the root of a subvolume
            continue
        try:
            os.close(os.open(f"{place}/probe", os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            assert error.errno == errno.EROFS, place
            refused += 1
        else:
            written += 1
            assert (state / "probe").exists(), "it was the state directory"
            (state / "probe").unlink()
    assert refused >= 1 and written >= 1


def test_killed_while_thousands_of_files_are_written(
    bus: Bus, machine: Machine, state: Path, start: Start
) -> None:
    first = start()
    write(bus, machine, "etc/before")
    where = machine.mountpoint / "srv"
    argv = [sys.executable, "-c", UNPACK, os.fspath(where), "25", "1000"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as unpack:
        wait_until(lambda: (where / "d5").exists(), "a fifth of it")
        first.process.kill()
        first.process.wait()
        assert unpack.wait() == 0
    start()
    report = fetch(bus, machine.config)
    found = {fields.path(entry) for entry in report["entries"]}
    there = {os.fsencode(f"/srv/{path.relative_to(where)}") for path in where.rglob("*")}
    assert len(there) == 25_025
    assert found == there | {b"/etc/before"}, "exact"
    assert report["complete"] and report["watching_since"] and len(report["gaps"]) == 1
    by_path = {entry["path"]: entry for entry in report["entries"]}
    assert by_path["/etc/before"]["writer"]["comm"] == "dd"


def test_a_full_filesystem_does_not_stop_it(bus: Bus, machine: Machine, state: Path, start: Start) -> None:
    daemon = start()
    write(bus, machine, "etc/before")
    script = 'cd "$0"; i=0; while head -c 4096 /dev/zero >"etc/fill$i" 2>/dev/null; do i=$((i + 1)); done'
    sh("sh", "-c", f"head -c 1G /dev/zero >'{machine.mountpoint}/etc/big' 2>/dev/null || true")
    sh("timeout", "60", "sh", "-c", script, machine.mountpoint)
    wait_until(lambda: "goes on in memory" in daemon.output(), "the complaint")
    assert writer(bus, machine, "/etc/before")["comm"] == "dd", "what it knew it still knows"
    sh("rm", machine.mountpoint / "etc/big")
    write(bus, machine, "etc/after")
    assert daemon.output().count("goes on in memory") == 1
    assert daemon.stop() == 0


def test_a_state_directory_that_cannot_be_written(
    bus: Bus, machine: Machine, state: Path, start: Start
) -> None:
    sh("btrfs", "property", "set", "-ts", state, "ro", "true")
    daemon = start()
    assert daemon.output().count("goes on in memory") == 1
    write(bus, machine, "etc/new")


def test_a_damaged_ledger_is_put_aside(bus: Bus, machine: Machine, state: Path, start: Start) -> None:
    (state / "ledger.sqlite").write_bytes(b"no ledger" * 1000)
    daemon = start()
    assert daemon.output().count("is put aside") == 1
    write(bus, machine, "etc/new")
    assert daemon.stop() == 0
    assert (state / "ledger.sqlite.aside").read_bytes() == b"no ledger" * 1000
    start()
    assert writer(bus, machine, "/etc/new")["comm"] == "dd"


def test_another_thing_in_the_place_of_the_state_directory(
    bus: Bus, machine: Machine, filesystem: Filesystem, start: Start
) -> None:
    (filesystem.top / ".impermanence").symlink_to("/etc")
    daemon = start()
    assert "not a subvolume" in daemon.output()
    write(bus, machine, "etc/new")


def test_a_bus_that_starts_again(bus: Bus, machine: Machine, state: Path, tmp_path: Path) -> None:
    """The daemon ends with its bus, and systemd starts it again."""
    first = Daemon(bus, tmp_path, "--config", machine.config)
    first.wait_ready()
    write(bus, machine, "etc/one")
    bus.process.terminate()
    assert first.wait() == 1
    assert first.stop() == 1
    with a_bus() as other:
        second = Daemon(other, tmp_path, "--config", machine.config)
        try:
            second.wait_ready()
            assert writer(other, machine, "/etc/one")["comm"] == "dd"
            assert len(fetch(other, machine.config)["gaps"]) == 1
        finally:
            assert second.stop() == 0


def test_files_of_a_crowd_are_attributed_by_their_directory(
    bus: Bus, machine: Machine, state: Path, start: Start
) -> None:
    start()
    where = machine.mountpoint / "srv"
    argv = [sys.executable, "-c", UNPACK, os.fspath(where), "1", "5000"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as unpack:  # as above: it lives until it is known
        pid = unpack.pid

        def known() -> bool:
            found = writer(bus, machine, "/srv/d0/4999")
            return found is not None and found["pid"] == pid

        wait_until(known, "a writer")
    report = fetch(bus, machine.config)
    writers = [one["writer"] for one in report["entries"] if one["path"].startswith("/srv/d0/")]
    assert len(writers) == 5000
    assert {one and one["pid"] for one in writers} == {pid}
