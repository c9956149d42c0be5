"""The watch on the volumes of one configuration, which may become those of another."""

from __future__ import annotations

import os

from ..report.report import Manager
from ..system import logger
from ..text import to_text
from ..watch import fanotify
from ..watch.nested import Nesting
from ..watch.pending import PendingWrites

log = logger.get()


class VolumeWatch:
    """A watch that has begun, until `stop`; `fan` is the descriptor of its mark, if there is one already."""

    def __init__(self, manager: Manager, writes: PendingWrites, fan: int | None = None) -> None:
        self._manager = manager
        self._writes = writes
        self._start(fan)

    def _start(self, fan: int | None = None) -> None:
        manager = self._manager
        self.volumes, self.device = manager.volumes, manager.device
        root_ids = frozenset(volume.root_id for volume in manager.volumes)
        self._nesting = Nesting(manager.machine.top, root_ids)
        self._source = fanotify.start(
            manager.machine.top, manager.volumes, self._writes, root_ids, self._nesting, fan
        )

    @property
    def source(self) -> str:
        """Return where the events come from: "fanotify" or "watchdog"."""
        return self._source.source

    @property
    def status(self) -> str:
        """Return one line for systemctl(1)."""
        names = ", ".join(to_text(os.fsencode(volume.name)) for volume in self.volumes)
        return f"Watching {names} with {self.source}"

    def say(self) -> None:
        """Log that the watch has begun."""
        log.info("watching", source=self.source)

    def is_alive(self) -> bool:
        """Tell whether the thread that reads events still runs."""
        return self._source.is_alive()

    def restart(self) -> None:
        """Watch the volumes that the manager has now."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End the watch; what was written until now is noted."""
        self._source.stop()
        self._nesting.close()
