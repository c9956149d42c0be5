"""The daemon: how soon it is ready, and how much memory it takes, on a small tree and on a large one.

The peer for the time is watchdog's inotify observer, which has to walk the tree and set a watch a directory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import ground

RUNS = 5
BUS_CONFIG = """<busconfig><type>system</type><listen>unix:path={socket}</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>"""
OBSERVER = """
import sys, time
started = time.monotonic()
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
observer = Observer()
observer.schedule(FileSystemEventHandler(), sys.argv[1], recursive=True)
observer.start()
print("ready", flush=True)
time.sleep(60)
"""


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, bus(fs.directory):
        for files in (10, 300_000):
            seed = fs.subvolume(f"seed{files}")
            ground.fill(seed, files)
            mountpoint, config = fs.volume(seed, f"root{files}")
            yield from measure(f"{files} files", mountpoint, config, fs.directory)


def measure(data: str, mountpoint: Path, config: Path, directory: Path) -> Iterator[dict[str, object]]:
    memory: list[tuple[float, float]] = []

    def ours() -> float:
        with notified(directory, [ground.PROGRAMS / "impermanenced", "--config", config]) as (seconds, pid):
            status = [ground.PROGRAMS / "impermanence", "--config", config, "status", "--json"]
            after_start = resident(pid)
            subprocess.run(status, check=True, stdout=subprocess.DEVNULL)
            memory.append((after_start, resident(pid)))
            return seconds

    def theirs() -> float:
        before = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-c", OBSERVER, mountpoint], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as observer:
            assert observer.stdout
            observer.stdout.readline()
            seconds = time.monotonic() - before
            observer.kill()
        return seconds

    ready, peer = ground.paired(ours, theirs, RUNS)
    yield {
        "data": f"ready, {data}",
        "ours": round(ready, 3),
        "peer": "watchdog inotify observer",
        "theirs": round(peer, 3),
        "ratio": round(peer / ready, 1),
        "unit": "s",
    }
    for name, index in (("at start", 0), ("after a status", 1)):
        yield {
            "data": f"resident memory {name}, {data}",
            "ours": round(max(pair[index] for pair in memory), 1),
            "peer": None,
            "theirs": None,
            "ratio": None,
            "unit": "MB",
        }


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


@contextlib.contextmanager
def notified(directory: Path, argv: list[str | Path]) -> Iterator[tuple[float, int]]:
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
            while b"READY=1" not in receiver.recv(4096):
                pass
            yield time.monotonic() - before, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextlib.contextmanager
def bus(directory: Path) -> Iterator[None]:
    path, config = directory / "bus", directory / "bus.conf"
    config.write_text(BUS_CONFIG.format(socket=path))
    process = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={config}", "--print-address"],
                               stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = process.stdout.readline().decode().strip()
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
