"""The fallback where fanotify is refused: watchdog's inotify watches, one for each directory.

It learns that something was written, but not by whom.  It walks the tree before it begins, which happens in
a thread of its own, and it cannot tell when the kernel dropped events.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from ..lazy import Deferred
from ..model import Volume
from ..system import logger
from .pending import PendingWrites, Seen

WRITES = {"created", "modified", "moved", "deleted", "closed"}
# Newer versions of watchdog also ask the kernel for events about opening and reading, unless they are told
# which events are wanted.  Those are most of what happens on a root, and they would never get through them.
WANTED = ("Created", "Modified", "Moved", "Deleted")

_inspect = Deferred("inspect")
_events = Deferred("watchdog.events")
_observers = Deferred("watchdog.observers")

log = logger.get()


def new_observer() -> Any:
    """Return an observer of watchdog, which is loaded for it."""
    return _observers.Observer()


def wanted_events(observer: Any) -> dict[str, object]:
    """Return the arguments of `schedule` that select the events, if the installed version takes any."""
    takes = "event_filter" in _inspect.signature(observer.schedule).parameters
    if not takes:
        return {}
    return {
        "event_filter": [getattr(_events, f"{what}{how}Event") for what in ("File", "Dir") for how in WANTED]
    }


class _Handler:
    """The handler of one volume's events, which turns paths into inodes that still exist."""

    def __init__(self, volume: Volume, device: int, writes: PendingWrites) -> None:
        self._volume = volume
        self._device = device
        self._writes = writes

    def dispatch(self, event: Any) -> None:
        if event.event_type not in WRITES:
            return
        named = event.event_type in ("created", "moved")
        path = os.fsencode(getattr(event, "dest_path", "") or event.src_path)
        try:
            status = os.lstat(path)
        except OSError:  # gone again: the directory says so
            return
        if status.st_dev == self._device:
            self._writes.note([Seen(self._volume.root_id, status.st_ino, 0, None, named)])


def _directories(mountpoint: bytes, device: int) -> Iterator[tuple[bytes, bool]]:
    """Yield (path, recursive): the mountpoint, and the directories in it that are on the same subvolume.

    /proc, /nix and the like are left out, so they are not walked.
    """
    yield mountpoint, False
    for name in os.listdir(mountpoint):
        path = os.path.join(mountpoint, name)
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
            yield path, True


class InotifyWatch:
    """A source of events like `Watch`, made of one inotify watch for each directory."""

    source = "watchdog"

    def __init__(self, volumes: Sequence[Volume], writes: PendingWrites) -> None:
        self._volumes = volumes
        self._writes = writes
        self._observer: Any = new_observer()
        self._starter = threading.Thread(target=self._begin, name="treewatch", daemon=True)
        self._stopped = False

    def start(self) -> None:
        self._starter.start()

    def is_alive(self) -> bool:
        return self._starter.is_alive() or self._observer.is_alive()

    def _begin(self) -> None:
        self._observer.start()
        options = wanted_events(self._observer)
        for volume in self._volumes:
            device = os.lstat(volume.mountpoint).st_dev
            handler = _Handler(volume, device, self._writes)
            for path, recursive in _directories(volume.mountpoint, device):
                if self._stopped:
                    return
                try:
                    self._observer.schedule(handler, os.fsdecode(path), recursive=recursive, **options)
                except OSError as error:  # ENOSPC: fs.inotify.max_user_watches
                    log.error("directory cannot be watched", path=path, error=error.strerror)

    def stop(self) -> None:
        self._stopped = True
        self._starter.join()
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()
