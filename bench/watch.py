"""The watch while 100,000 files are unpacked: what the writer pays, and what the watchers pay for its events.

Each round unpacks the same archive with nobody watching, with the daemon, with fatrace and with watchdog's
inotify observer, in turn.  Processor time is that of the whole process until it is quiet again: the daemon
also finds the names, judges them and says what it found; fatrace writes a line an event to a file; the
observer calls a handler that does nothing.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import statistics
import subprocess
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from . import ground, service

FILES = 100_000
ROUNDS = 5
DIRECTORIES = (10_000, 500_000)
WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")

Watcher = Callable[[], contextlib.AbstractContextManager[int]]  # yields the pid


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("24G") as fs, service.bus(fs.directory), enough_watches():
        yield from unpacking(fs)
        yield from setting_up(fs)


def unpacking(fs: ground.Ground) -> Iterator[dict[str, object]]:
    archive = fs.directory / "tree.tar"
    pack(archive, FILES)
    root, config = fs.volume(fs.subvolume("seed"), "root")
    other = fs.subvolume("other")

    @contextlib.contextmanager
    def daemon() -> Iterator[int]:
        with service.daemon(fs.directory, config) as (_, pid):
            yield pid

    @contextlib.contextmanager
    def observer() -> Iterator[int]:
        with service.observer(root) as (_, pid):
            yield pid

    watchers: dict[str, tuple[Watcher | None, Path]] = {
        "nobody": (None, root),
        "daemon": (daemon, root),
        "fatrace": (lambda: service.fatrace(fs.top, fs.directory / "fatrace.out"), root),
        "watchdog": (observer, root),
        "daemon, elsewhere": (daemon, other),
    }
    times, costs = defaultdict(list), defaultdict(list)
    for _ in range(ROUNDS):
        for name, (watcher, where) in watchers.items():
            fs.cool()
            seconds, cost = unpacked(archive, where, watcher)
            times[name].append(seconds)
            costs[name].append(cost)
    data = f"unpacking {FILES} files"
    for name in ("daemon", "fatrace", "watchdog"):
        slower = statistics.median(
            with_it / without for with_it, without in zip(times[name], times["nobody"], strict=True)
        )
        yield {
            "data": f"{data}, the writer with {name} on",
            "ours": round(statistics.median(times[name]), 2),
            "peer": "nobody watches",
            "theirs": round(statistics.median(times["nobody"]), 2),
            "ratio": round(slower, 3),
            "unit": "s",
        }
    ours = statistics.median(costs["daemon"])
    for name in ("fatrace", "watchdog", "daemon, elsewhere"):
        theirs = statistics.median(costs[name])
        peer = "the daemon, files of another subvolume" if name == "daemon, elsewhere" else name
        yield {
            "data": f"{data}, processor time a file",
            "ours": round(ours / FILES * 1e6, 2),
            "peer": peer,
            "theirs": round(theirs / FILES * 1e6, 2),
            "ratio": round(theirs / ours, 2),
            "unit": "us",
        }


def pack(archive: Path, files: int) -> None:
    """Small files, a hundred to a directory."""
    with tarfile.open(archive, "w") as tar:
        for number in range(files):
            if number % 100 == 0:
                directory = tarfile.TarInfo(f"tree/{number // 100}")
                directory.type, directory.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(directory)
            content = b"content of a file\n" * (number % 50)
            member = tarfile.TarInfo(f"tree/{number // 100}/{number % 100}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def unpacked(archive: Path, where: Path, watcher: Watcher | None) -> tuple[float, float]:
    """Seconds that unpacking took, and processor seconds of whoever watched."""
    archive.read_bytes()  # into memory: the writer is measured, not the reader
    with (watcher or unwatched)() as pid:
        before = service.until_quiet(pid) if pid else 0.0
        began = time.monotonic()
        subprocess.run(["tar", "--extract", "--file", archive, "--directory", where], check=True)
        seconds = time.monotonic() - began
        cost = service.until_quiet(pid) - before if pid else 0.0
    shutil.rmtree(where / "tree")
    ground.sh("btrfs", "filesystem", "sync", where)
    return seconds, cost


@contextlib.contextmanager
def unwatched() -> Iterator[int]:
    yield 0


def setting_up(fs: ground.Ground) -> Iterator[dict[str, object]]:
    """Time until the watch stands, and memory, on trees of empty directories."""
    for count in DIRECTORIES:
        seed = fs.subvolume(f"seed{count}")
        for number in range(count // 1000):
            above = seed / str(number)
            above.mkdir()
            for index in range(999):
                (above / str(index)).mkdir()
        root, config = fs.volume(seed, f"root{count}")
        rounds = []
        for _ in range(3):
            with service.daemon(fs.directory, config) as (seconds, pid):
                ours = seconds, service.resident(pid)
            with service.observer(root) as (seconds, pid):
                rounds.append((*ours, seconds, service.resident(pid)))
        ready, memory, their_ready, their_memory = map(statistics.median, zip(*rounds, strict=True))
        for what, unit, one, two in (
            ("until the watch stands", "s", ready, their_ready),
            ("resident memory", "MB", memory, their_memory),
        ):
            yield {
                "data": f"{count} directories, {what}",
                "ours": round(one, 3),
                "peer": "watchdog inotify observer",
                "theirs": round(two, 3),
                "ratio": round(two / one, 2),
                "unit": unit,
            }


@contextlib.contextmanager
def enough_watches() -> Iterator[None]:
    """The observer needs a watch for each directory."""
    before = WATCHES.read_text()
    WATCHES.write_text(str(max(int(before), 2 * max(DIRECTORIES))))
    try:
        yield
    finally:
        WATCHES.write_text(before)
