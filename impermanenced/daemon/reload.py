"""The configuration that is in force after an edit: the new one, or the old one where that cannot be used."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import GLib

from ..config.fingerprint import Fingerprint, fingerprint
from ..errors import ImpermanenceError
from ..report.report import Manager
from ..system import journal, logger
from ..text import failure_to_text
from .config_watch import ConfigWatch

EDITING = 300  # milliseconds from an edit to the reload

log = logger.get()


class Reloader:
    """The reload after edits of the configuration; the worker calls `loaded` when a new one is in force.

    `as_read` is what the files were when the manager read them.  Edits are seen once `begin` was called.
    """

    def __init__(
        self,
        manager: Manager,
        drop_ins: bool,
        as_read: Fingerprint,
        submit: Callable[[Callable[[], None]], None],
        loaded: Callable[[], None],
    ) -> None:
        self._manager = manager
        self._drop_ins = drop_ins
        self._as_read = as_read
        self._submit = submit
        self._loaded = loaded
        self._timer = 0
        self._watch: ConfigWatch | None = None

    def begin(self) -> None:
        """Watch the configuration files, and reload if they were edited since they were read."""
        path = self._manager.config.path
        self._watch = ConfigWatch(path, self._drop_ins, self.soon)
        if fingerprint(path, self._drop_ins) != self._as_read:
            GLib.idle_add(self.soon)

    def soon(self) -> bool:
        """Reload once no edit has come for a moment."""
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(EDITING, self._reload)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _reload(self) -> bool:
        self._timer = 0
        if self._watch is not None:
            self._watch.look_again()
        self._submit(self._load)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _load(self) -> None:
        try:
            self._manager.reload()
        except ImpermanenceError as error:
            log.error(
                "the configuration cannot be used, the one before stays",
                message_id=journal.MESSAGE_CONFIG,
                error=error.message,
            )
        except OSError as error:
            log.error("the configuration cannot be read, the one before stays", error=failure_to_text(error))
        else:
            log.info("the configuration was read again")
            self._loaded()

    def stop(self) -> None:
        """End the watch on the configuration files."""
        if self._watch is not None:
            self._watch.stop()
