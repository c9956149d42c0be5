"""A declared file is replaced by rename, as wpa_supplicant does it: the time until a follower of the daemon
hears that the declaration does not hold, by each method.  Five seconds are promised.

The peer is watchdog on the one directory, which hears that something was renamed there, and not whether what
is declared still holds.  The daemon looks a moment later, once for all that came together.
"""

from __future__ import annotations

import contextlib
import json
import queue
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import ground, service

RUNS = ground.setting("RUNS", 7)
METHODS = ("bind", "symlink", "sync")
LONGEST = 60.0  # seconds
LISTENS = 5.0  # seconds after which a follower listens, mostly
BEGINS = 12
REST = 3.0  # seconds between two, in which the daemon has its rest
OBSERVER = """
import sys, time
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        print(event.event_type, flush=True)
observer = Observer()
observer.schedule(Handler(), sys.argv[1])
observer.start()
print("ready", flush=True)
time.sleep(3600)
"""


class Lines:
    """The lines that a process writes, each with the time at which it came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._queue: queue.Queue[tuple[float, str]] = queue.Queue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self._queue.put((time.monotonic(), line))

    def next(self, longest: float = LONGEST) -> tuple[float, str]:
        return self._queue.get(timeout=longest)

    def forget(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()


@contextlib.contextmanager
def listening(argv: Sequence[str | Path]) -> Iterator[Lines]:
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Lines(process)
        finally:
            process.terminate()


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("2G") as fs, service.bus(fs.directory):
        fs.subvolume(".impermanence")
        root, config = declared(fs)
        follow: list[str | Path] = [ground.PROGRAMS / "impermanence", "--config", config, "watch", "--json"]
        observe: list[str | Path] = [sys.executable, "-c", OBSERVER, root / "etc"]
        with (
            service.daemon(fs.directory, config),
            listening(follow) as ours,
            listening(observe) as theirs,
        ):
            theirs.next()
            begun(root, ours)
            for method in METHODS:
                pairs = [replaced(root / name_of(method, turn)[1:], ours, theirs) for turn in range(RUNS)]
                yield figure(method, [one for one, _ in pairs], [two for _, two in pairs])


def name_of(method: str, turn: int) -> str:
    """One for each run: what changes again and again is said less often."""
    return f"/etc/{method}{turn}.conf"


def declared(fs: ground.VolumeFacts) -> tuple[Path, Path]:
    """A root with files declared by each method, as the boot leaves it, and the configuration."""
    seed = fs.subvolume("seed")
    (seed / "etc").mkdir()
    (seed / "persist").mkdir()
    (fs.subvolume("persist") / "etc").mkdir()
    root, config = fs.volume(seed, "root")
    persist = fs.mount("mount-root/persist", "subvol=persist")
    files = [(method, name_of(method, turn)) for method in METHODS for turn in range(RUNS)]
    files += [("symlink", f"/etc/begin{turn}.conf") for turn in range(BEGINS)]
    with config.open("a") as stream:
        entries = "".join(f'  {{path = "{path}", method = "{method}"}},\n' for method, path in files)
        stream.write(f'[persist."/persist"]\nfiles = [\n{entries}]\n')
    for method, path in files:
        place, source = root / path[1:], persist / path[1:]
        source.write_text("kept\n")
        if method == "symlink":
            place.symlink_to(f"/persist{path}")
        elif method == "sync":
            ground.sh("cp", "-a", source, place)
        else:
            place.touch()
            ground.sh("mount", "--bind", source, place)
            fs.mounts.append((place, ""))
    return root, config


def begun(root: Path, ours: Lines) -> None:
    """Wait until the daemon has looked, and its follower hears what it says."""
    for turn in range(BEGINS):
        time.sleep(LISTENS)
        path = f"/etc/begin{turn}.conf"
        (root / path[1:]).unlink()
        with contextlib.suppress(queue.Empty):
            said(ours, path, longest=LISTENS)
            return
    raise TimeoutError("the follower hears nothing")


def said(ours: Lines, path: str, *, longest: float = LONGEST) -> float:
    """When it is said that a declaration does not hold."""
    while True:
        moment, line = ours.next(longest)
        found = json.loads(line)
        if found["kind"] == "declaration" and found["path"] == path and found["state"] != "active":
            return moment


def replaced(place: Path, ours: Lines, theirs: Lines) -> tuple[float, float]:
    """Seconds until each of both hears of it."""
    new = place.with_name(f"{place.name}.tmp")
    time.sleep(REST)
    theirs.forget()
    began = time.monotonic()
    new.write_text(f"new at {began}\n")
    with contextlib.suppress(OSError):  # nothing is renamed over a mount: EBUSY
        new.rename(place)
    return said(ours, f"/etc/{place.name}") - began, theirs.next()[0] - began


def figure(method: str, ours: list[float], theirs: list[float]) -> dict[str, object]:
    mine, other = statistics.median(ours), statistics.median(theirs)
    return {
        "data": f"a file by {method} is replaced, until it is said (at most {max(ours):.2f} s)",
        "ours": round(mine, 3),
        "peer": "watchdog on that directory",
        "theirs": round(other, 3),
        "ratio": round(other / mine, 4),
        "unit": "s",
    }
