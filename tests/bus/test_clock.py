"""A system clock that is set while the daemon runs: to the hour before, and by years."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import sh
from .conftest import Bus, Daemon, Machine, Signals, fetch, wait_until

# The clock of one process: the real one, and as many seconds on as a file says.
CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, which, now);
    if (which == CLOCK_REALTIME) {
        char text[32] = "";
        int fd = open(getenv("TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) > 0)
                now->tv_sec += atoll(text);
            close(fd);
        }
    }
    return result;
}
"""
HOUR, YEAR = 3600, 365 * 24 * 3600

SetClock = Callable[[int], None]


@pytest.fixture
def set_clock(tmp_path: Path) -> SetClock:
    (tmp_path / "clock.c").write_text(CLOCK)
    sh("gcc", "-shared", "-fPIC", "-o", tmp_path / "clock.so", tmp_path / "clock.c")

    def set_clock(seconds: int) -> None:
        new = tmp_path / "clock.new"
        new.write_text(f"{seconds}\n")
        new.rename(tmp_path / "clock")

    set_clock(0)
    return set_clock


@pytest.fixture
def daemon(bus: Bus, machine: Machine, tmp_path: Path, set_clock: SetClock) -> Iterator[Daemon]:
    machine.filesystem.subvolume(".impermanence").chmod(0o700)
    command = ["env", f"LD_PRELOAD={tmp_path}/clock.so", f"TEST_CLOCK={tmp_path}/clock"]
    daemon = Daemon(bus, tmp_path, "--config", machine.config, command=command)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        code = daemon.stop()
    assert code == 0 and "Traceback" not in daemon.output(), daemon.output()


def test_a_clock_that_jumps_delays_nothing(
    bus: Bus, machine: Machine, daemon: Daemon, set_clock: SetClock
) -> None:
    signals = Signals(bus.connect())

    def is_announced(path: bytes) -> Callable[[], bool]:
        return lambda: path in signals.paths()

    for number, offset in enumerate((0, -HOUR, 30 * YEAR, -20 * YEAR, 0)):
        set_clock(offset)
        path = machine.mountpoint / f"srv/file{number}"
        path.write_text("content\n")
        said = f"/srv/file{number}".encode()
        wait_until(is_announced(said), f"an alert with the clock {offset} s on")
    entries = {entry["path"]: entry for entry in fetch(bus, machine.config)["entries"]}
    assert {f"/srv/file{number}" for number in range(5)} <= entries.keys()
    assert all(entries[f"/srv/file{number}"]["writer"] for number in range(5))
    now = datetime.datetime.now(datetime.UTC)
    years = [datetime.datetime.fromisoformat(entries[f"/srv/file{number}"]["writer"]["last"]).year - now.year
             for number in (0, 2, 3)]  # fmt: skip
    assert years[0] in (0, -1) and years[1] in (29, 30) and years[2] in (-20, -21), years


def test_a_restart_after_the_clock_was_set_back_has_no_gap_of_less_than_nothing(
    bus: Bus, machine: Machine, daemon: Daemon, set_clock: SetClock, tmp_path: Path
) -> None:
    (machine.mountpoint / "srv/before").touch()
    wait_until(lambda: fetch(bus, machine.config)["entries"][-1]["writer"], "the writer")
    assert daemon.stop() == 0
    set_clock(-HOUR)
    command = ["env", f"LD_PRELOAD={tmp_path}/clock.so", f"TEST_CLOCK={tmp_path}/clock"]
    again = Daemon(bus, tmp_path, "--config", machine.config, command=command)
    try:
        again.wait_ready()
        report = fetch(bus, machine.config)
        (gap,) = report["gaps"]
        begin, end = (datetime.datetime.fromisoformat(when) for when in gap)
        assert begin <= end
        (entry,) = [entry for entry in report["entries"] if entry["path"] == "/srv/before"]
        assert entry["writer"], "it is remembered"
    finally:
        assert again.stop() == 0, again.output()
