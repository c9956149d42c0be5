"""The watch while 100,000 files are written: what the writer pays, and what the watchers pay for its events.

Each round writes the same files with nobody watching, with a reader that drops the events that the daemon
asks for under such a load, with one that drops those that it asks for otherwise, with the daemon, with
fatrace and with watchdog's inotify observer, in turn: first as a tree that is unpacked and new as a whole,
then once more over the files that are there, where the observer has a watch on every directory.  Its queue
is made long enough that it misses no event; that of the others is the kernel's default.

Processor time is that of the whole process until it is quiet again, and of those it started: the daemon also
keeps who wrote what, finds the names, judges them and says what it found; fatrace writes a line an event to a
file; the observer calls a handler that does nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import statistics
import subprocess
import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from impermanenced.kernel import mounts
from impermanenced.watch.fanotify import READ_SIZE
from impermanenced.watch.mark import ask_for_all, open_fanotify
from impermanenced.watch.pace import PAUSE

from . import ground, service

FILES = ground.setting("FILES", 100_000)
ROUNDS = ground.setting("ROUNDS", 4)
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
# Seconds after which one that does nothing will do nothing; others: 1.5.
PATIENCE = {"daemon": 3.5, "elsewhere": 3.5}
FEW = 2  # rounds of those whose times are far apart
UNPACKING = f"unpacking {FILES} files"
REWRITING = f"writing {FILES} files that are there"

WORDS = {
    "reader": "a reader that drops the events",
    "reader of all": "a reader that drops events of all kinds",
}

Watcher = Callable[[], contextlib.AbstractContextManager[int]]  # yields the pid
Costs = Mapping[tuple[str, str], list[float]]  # by what is done and who watches


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("24G") as fs, service.bus(fs.directory), ground.at_least(QUEUE, 20 * FILES):
        fs.subvolume(".impermanence")
        archive = fs.directory / "tree.tar"
        pack(archive, FILES)
        root, config = fs.volume(fs.subvolume("seed"), "root")
        times, costs = measured(archive, watchers(fs, root, config))
    yield from slowed(times)
    yield from processor(costs)


def watchers(fs: ground.VolumeFacts, root: Path, config: Path) -> Mapping[str, tuple[Watcher, Path]]:
    """Who watches, and where is written."""

    @contextlib.contextmanager
    def daemon() -> Iterator[int]:
        with service.daemon(fs.directory, config) as (_, pid):
            yield pid

    @contextlib.contextmanager
    def observer() -> Iterator[int]:
        with service.observer(root) as (_, pid):
            yield pid

    return {
        "nobody": (lambda: contextlib.nullcontext(0), root),
        "reader": (lambda: reader(fs, everything=False), root),
        "reader of all": (lambda: reader(fs, everything=True), root),
        "daemon": (daemon, root),
        "fatrace": (lambda: service.fatrace(fs.top, fs.directory / "fatrace.out"), root),
        "watchdog": (observer, root),
        "elsewhere": (daemon, fs.subvolume("other")),
    }


@contextlib.contextmanager
def reader(fs: ground.VolumeFacts, everything: bool) -> Iterator[int]:
    """What the kernel takes of the writer for the events that the daemon asks for: they are read, no more."""
    top = mounts.open_top_level(os.fsencode(fs.device))
    fan = open_fanotify(top)
    ask_for_all(fan, top, everything)
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(PAUSE):
            with contextlib.suppress(BlockingIOError):
                while os.read(fan, READ_SIZE):
                    pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield 0
    finally:
        stop.set()
        thread.join()
        os.close(fan)
        os.close(top)


def measured(archive: Path, watchers: Mapping[str, tuple[Watcher, Path]]) -> tuple[Costs, Costs]:
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(ROUNDS):
        for name, (watcher, where) in watchers.items():
            if number >= FEW and name in ("watchdog", "elsewhere"):
                continue
            for what in (UNPACKING, REWRITING):
                if what == REWRITING and (number >= FEW or name in ("nobody", *WORDS)):
                    continue
                seconds, cost = unpacked(archive, where, watcher, PATIENCE.get(name, 1.5))
                times[what, name].append(seconds)
                costs[what, name].append(cost / FILES * 1e6)
                each = costs[what, name][-1]
                ground.say(f"{what}, {name}: {seconds:.2f} s, the watcher {each:.1f} us a file")
            shutil.rmtree(where / "tree")
            ground.sh("btrfs", "filesystem", "sync", where)
    return times, costs


def slowed(times: Costs) -> Iterator[dict[str, object]]:
    alone = times[UNPACKING, "nobody"]
    for name in (*WORDS, "daemon", "fatrace", "watchdog"):
        pairs = zip(times[UNPACKING, name], alone, strict=False)
        yield {
            "data": f"{UNPACKING}, the writer with {WORDS.get(name, name)} on",
            "ours": round(statistics.median(times[UNPACKING, name]), 2),
            "peer": "nobody watches",
            "theirs": round(statistics.median(alone), 2),
            "ratio": round(statistics.median(with_it / without for with_it, without in pairs), 3),
            "unit": "s",
        }


def processor(costs: Costs) -> Iterator[dict[str, object]]:
    for what in (UNPACKING, REWRITING):
        ours = statistics.median(costs[what, "daemon"])
        for name in ("fatrace", "watchdog", "elsewhere"):
            theirs = statistics.median(costs[what, name])
            yield {
                "data": f"{what}, processor time a file",
                "ours": round(ours, 2),
                "peer": "the daemon, files of another subvolume" if name == "elsewhere" else name,
                "theirs": round(theirs, 2),
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


def unpacked(archive: Path, where: Path, watcher: Watcher, patience: float) -> tuple[float, float]:
    """Seconds that unpacking took, and processor seconds of whoever watched."""
    archive.read_bytes()  # into memory: the writer is measured, not the reader
    ground.sh("btrfs", "filesystem", "sync", where)
    with watcher() as pid:
        before = service.until_quiet(pid, patience) if pid else 0.0
        began = time.monotonic()
        argv: list[str | Path] = ["tar", "--extract", "--overwrite", "--file", archive, "--directory", where]
        subprocess.run(argv, check=True)
        seconds = time.monotonic() - began
        cost = service.until_quiet(pid, patience) - before if pid else 0.0
    return seconds, cost
