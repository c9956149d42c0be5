"""The moment when the boot has finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from ..system.systemd1 import boot_has_finished

POLL = 2000  # milliseconds between two questions


class BootWatch:
    """A poll of systemd until the boot has finished; then the worker calls `finished`, once."""

    def __init__(
        self, con: Any, submit: Callable[[Callable[[], None]], None], finished: Callable[[], None]
    ) -> None:
        self._con = con
        self._submit = submit
        self._finished = finished

    def ask(self) -> bool:
        """Begin to ask: the worker asks systemd, and the main loop has it ask again after a while."""
        self._submit(self._ask)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _ask(self) -> None:
        if boot_has_finished(self._con):
            self._finished()
        else:
            GLib.timeout_add(POLL, self.ask)
