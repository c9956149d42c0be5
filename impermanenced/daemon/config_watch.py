"""The watch on the configuration files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..config.load import DROP_INS
from ..system import logger
from ..watch import inotify

log = logger.get()


class _Handler:
    def __init__(self, wanted: Callable[[bytes], bool], on_change: Callable[[], None]) -> None:
        self._wanted = wanted
        self._on_change = on_change

    def dispatch(self, event: Any) -> None:
        # A directory is "modified" by whatever happens in it, which comes as an event of its own.
        if event.event_type in inotify.WRITES and not (event.is_directory and event.event_type == "modified"):
            paths = (event.src_path, getattr(event, "dest_path", ""))
            if any(path and self._wanted(os.path.abspath(os.fsencode(path))) for path in paths):
                self._on_change()


def _existing(directory: bytes) -> bytes:
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return directory


class ConfigWatch:
    """A thread that calls `on_change` for each event about the file or, where wanted, its drop-ins.

    It watches directories, because editors replace files.  For a directory that does not exist it watches the
    nearest one above, and `look_again` after a change finds the directory then.
    """

    def __init__(self, file: bytes, drop_ins: bool, on_change: Callable[[], None]) -> None:
        self._file = os.path.abspath(file)
        self._directory = os.path.join(os.path.dirname(self._file), DROP_INS) if drop_ins else None
        self._handler = _Handler(self._wanted, on_change)
        self._observer: Any = inotify.new_observer()
        self._watched: dict[bytes, Any] = {}
        self._observer.start()
        self.look_again()

    def _wanted(self, path: bytes) -> bool:
        ours = [self._file] if self._directory is None else [self._file, self._directory]
        inside = self._directory is not None and path.startswith(self._directory + b"/")
        return inside or any(our == path or our.startswith(path.rstrip(b"/") + b"/") for our in ours)

    def look_again(self) -> None:
        """Watch the directories that count now, and no other."""
        wanted = {_existing(os.path.dirname(self._file))}
        if self._directory is not None:
            wanted.add(_existing(self._directory))
        for directory in self._watched.keys() - wanted:
            self._observer.unschedule(self._watched.pop(directory))
        for directory in wanted - self._watched.keys():
            try:
                self._watched[directory] = self._observer.schedule(
                    self._handler,
                    os.fsdecode(directory),
                    recursive=False,
                    **inotify.wanted_events(self._observer),
                )
            except OSError as error:
                log.warning("configuration is not watched", path=directory, error=error.strerror)

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join()
