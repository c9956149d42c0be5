"""What is left where fanotify is refused: watchdog's inotify watches, one a directory.

It knows that something was written, not by whom; it has to walk the tree to begin, which happens in its own
thread; and it never says when the kernel dropped events.
"""

from __future__ import annotations

import inspect
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from watchdog import events
from watchdog.observers import Observer

from ..model import Volume
from ..system import logger
from .pending import Activity, Seen

WRITES = {"created", "modified", "moved", "deleted", "closed"}
# Opening and reading are most of what a system does: newer versions ask the kernel for those events too
# unless they are told what is wanted, and on a whole root never get through them.
WANTED = [
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirModifiedEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
]

log = logger.get()


def wanted_events(observer: Any) -> dict[str, Any]:
    """Arguments for `schedule`, as far as the installed version takes them."""
    takes = "event_filter" in inspect.signature(observer.schedule).parameters
    return {"event_filter": WANTED} if takes else {}


class _Handler:
    """What watchdog calls for one volume: paths to inodes, if they are still there."""

    def __init__(self, volume: Volume, device: int, activity: Activity) -> None:
        self._volume = volume
        self._device = device
        self._activity = activity

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
            self._activity.note([Seen(self._volume.root_id, status.st_ino, 0, None, named)])


def _directories(mountpoint: bytes, device: int) -> Iterator[tuple[bytes, bool]]:
    """The mountpoint itself, and below it the trees that are on the same subvolume; not /proc, not /nix."""
    yield mountpoint, False
    for name in os.listdir(mountpoint):
        path = os.path.join(mountpoint, name)
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
            yield path, True


class TreeWatch:
    source = "watchdog"

    def __init__(self, volumes: Sequence[Volume], activity: Activity) -> None:
        self._volumes = volumes
        self._activity = activity
        self._observer: Any = Observer()
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
            handler = _Handler(volume, device, self._activity)
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
