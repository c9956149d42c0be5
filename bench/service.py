"""The daemon and its peers as services of a bench: started, waited for, weighed, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import ground

BUS_CONFIG = """<busconfig><type>system</type><listen>unix:path={socket}</listen>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>"""
# A bare subscriber: what it does with an event is as little as can be.
OBSERVER = """
import sys, time
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
observer = Observer()
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
time.sleep(3600)
"""
TICK = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def notified(directory: Path, argv: Sequence[str | Path]) -> Iterator[tuple[float, int]]:
    """A service of Type=notify: seconds from its start to READY=1, and its pid."""
    path = directory / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(os.fspath(path))
        receiver.settimeout(60)
        before = time.monotonic()
        process = subprocess.Popen(argv, env={**os.environ, "NOTIFY_SOCKET": os.fspath(path)},
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            while b"READY=1" not in (said := receiver.recv(4096)):
                pass
            ready = time.monotonic() - before
            while b"STATUS=" not in said:  # it watches, and is not on the bus yet
                said = receiver.recv(4096)
            receiver.settimeout(None)
            threading.Thread(target=_listen, args=(receiver,), daemon=True).start()
            yield ready, process.pid
        finally:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            process.wait()
            receiver.shutdown(socket.SHUT_RDWR)


def _listen(receiver: socket.socket) -> None:
    """As systemd does: where nobody reads its heartbeats, a service waits when ten of them are there."""
    with contextlib.suppress(OSError):
        while receiver.recv(4096):
            pass


def daemon(directory: Path, config: Path) -> contextlib.AbstractContextManager[tuple[float, int]]:
    return notified(directory, [ground.PROGRAMS / "impermanenced", "--config", config])


@contextlib.contextmanager
def observer(root: Path) -> Iterator[tuple[float, int]]:
    """watchdog over the whole tree: seconds until every directory has its watch, and the pid."""
    before = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", OBSERVER, root], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"ready\n", "the observer did not start"
            yield time.monotonic() - before, process.pid
        finally:
            process.kill()


@contextlib.contextmanager
def fatrace(top: Path, output: Path) -> Iterator[int]:
    """On the top level, as it must be for BTRFS, with the kinds of events that the daemon asks for."""
    output.unlink(missing_ok=True)
    with subprocess.Popen(
        ["fatrace", "--current-mount", "--filter=W+D<>", f"--output={output}"],
        cwd=top,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            probe = top / "probe"
            while not (output.exists() and output.stat().st_size):  # no other sign that it is ready
                probe.write_text("x")
                time.sleep(0.05)
            probe.unlink()
            yield process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def bus(directory: Path) -> Iterator[str]:
    """Its address."""
    path, config = directory / "bus", directory / "bus.conf"
    config.write_text(BUS_CONFIG.format(socket=path))
    process = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={config}", "--print-address"],
                               stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout
    address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = process.stdout.readline().decode().strip()
    try:
        yield address
    finally:
        process.terminate()
        process.wait()
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]


def report(config: Path) -> dict[str, Any]:
    """What `impermanence status --json` prints."""
    argv: list[str | Path] = [ground.PROGRAMS / "impermanence", "--config", config, "status", "--json"]
    shown = subprocess.run(argv, check=True, stdout=subprocess.PIPE)
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


def resident(pid: int) -> float:
    """MB."""
    return _field(pid, "VmRSS:") * 1024 / 1e6


def threads(pid: int) -> int:
    return _field(pid, "Threads:")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def processor(pid: int) -> float:
    """Seconds of processor time of all threads that live, and of the processes that it waited for."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            nanoseconds += int((task / "schedstat").read_text().split()[0])
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = int(after_name[13]) + int(after_name[14])  # cutime and cstime
    return nanoseconds / 1e9 + children / TICK


def until_quiet(pid: int, seconds: float = 3.5, most: float = 60.0) -> float:
    """Wait until the process has done next to nothing for so long; its processor time.

    A daemon that looks at every program that starts is not quiet where others work.  It finds names when
    nothing was written for two seconds, so a shorter wait would miss that.
    """
    then, end = processor(pid), time.monotonic() + most
    while True:
        time.sleep(seconds)
        now = processor(pid)
        if now - then < 0.03 * seconds or time.monotonic() > end:
            return now
        then = now
