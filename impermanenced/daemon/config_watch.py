"""The watch on the configuration files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from gi.repository import GLib

from ..config.load import DROP_INS
from ..kernel import inotify
from ..system import logger

# What may change a file, by whatever name it comes.
_WRITES = (
    inotify.IN_CREATE | inotify.IN_MODIFY | inotify.IN_CLOSE_WRITE | inotify.IN_ATTRIB
    | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO | inotify.IN_DELETE
)  # fmt: skip
_GOES = inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF  # of the watched directory

log = logger.get()


def _existing(directory: bytes) -> bytes:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory


class ConfigWatch:
    """A watch that has the main loop call `on_change` for events about the file or, where wanted, its
    drop-ins.

    It watches directories, because editors replace files.  For a directory that does not exist it watches the
    nearest one above, and `look_again` after a change finds the directory then.
    """

    def __init__(self, file: bytes, drop_ins: bool, on_change: Callable[[], object]) -> None:
        self._file = os.path.abspath(file)
        self._directory = os.path.join(os.path.dirname(self._file), DROP_INS) if drop_ins else None
        self._on_change = on_change
        self._watched: dict[bytes, int] = {}  # directories, and the numbers of their watches
        self._fd = inotify.init()
        self._source = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self._fd, GLib.IOCondition.IN, self._readable
        )
        self.look_again()

    def _readable(self, *_: object) -> bool:
        changes = [self._changes(event) for event in inotify.read(self._fd)]
        if any(changes):
            self._on_change()
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def _changes(self, event: inotify.Event) -> bool:
        """Return whether an event is about what is watched for, and forget a directory that has gone."""
        if event.mask & inotify.IN_Q_OVERFLOW:
            return True
        directory = next((path for path, watch in self._watched.items() if watch == event.watch), None)
        if directory is None:
            return False
        if event.mask & (_GOES | inotify.IN_IGNORED):
            self._forget(directory)
            return True
        # A directory is "changed" by whatever happens in it, which comes as an event of its own.
        return bool(event.name) and self._wanted(os.path.join(directory, event.name))

    def _forget(self, directory: bytes) -> None:
        watch = self._watched.pop(directory)
        with contextlib.suppress(OSError):  # EINVAL: the kernel has removed it with the directory
            inotify.rm_watch(self._fd, watch)

    def _wanted(self, path: bytes) -> bool:
        ours = [self._file] if self._directory is None else [self._file, self._directory]
        inside = self._directory is not None and path.startswith(self._directory + b"/")
        return inside or any(our == path or our.startswith(path + b"/") for our in ours)

    def look_again(self) -> None:
        """Watch the directories that count now, and no other."""
        wanted = {_existing(os.path.dirname(self._file))}
        if self._directory is not None:
            wanted.add(_existing(self._directory))
        for directory in self._watched.keys() - wanted:
            self._forget(directory)
        for directory in wanted - self._watched.keys():
            try:
                self._watched[directory] = inotify.add_watch(self._fd, directory, _WRITES | _GOES)
            except OSError as error:
                log.warning("configuration is not watched", path=directory, error=error.strerror)

    def stop(self) -> None:
        """End the watch."""
        GLib.source_remove(self._source)
        os.close(self._fd)
