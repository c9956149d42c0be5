"""The watch on declarations: a mount that goes, and a file in the place of a link, are said at once.

Hard facts
    poll(2) on mountinfo returns POLLPRI once after each change of what is mounted in that namespace, and
    needs no read for that.
    A mount whose source is removed from its place stays, and no event tells of it but the one of that file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence

from gi.repository import GLib

from ..alerts.declarations import Changes, say
from ..bus.signals import Signals
from ..keep.examine import states
from ..kernel.mounts import Mount
from ..report.report import Manager
from ..volumes.mounted import DELETED
from ..watch.pending import PendingWrites

SOON = 300  # milliseconds from a change to the look, which then finds all that came together
WRITTEN = 1500  # milliseconds, where the change may have nothing to do with declarations
LONGEST = 2.0  # seconds that a look waits because the one before took long
REST = 50  # times as long as a look took, before the next one

Submit = Callable[[Callable[[], None]], None]


class KeepWatch:
    """The looks at all declarations.  The main loop and the worker call `stir`; the worker looks."""

    def __init__(
        self,
        manager: Manager,
        signals: Signals,
        writes: PendingWrites,
        submit: Submit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._signals = signals
        self._writes = writes
        self._submit = submit
        self._clock = clock
        self._changes = Changes()
        self._waits = False
        self._after = 0.0
        self._looked = 0.0  # when the last look began, seconds since 1970
        self._stale: frozenset[bytes] = frozenset()
        self._tables: list[int] = []

    def begin(self) -> None:
        """Watch what is mounted, and look for the first time."""
        for pid in ("self", "1"):  # the sandbox of the unit has a namespace of its own
            with contextlib.suppress(OSError):
                fd = os.open(f"/proc/{pid}/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
                self._tables.append(fd)
                GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, fd, GLib.IOCondition.PRI, self._mounted)
        self.stir()

    def close(self) -> None:
        """End the watch."""
        for fd in self._tables:
            os.close(fd)
        self._tables.clear()

    def _mounted(self, *_: object) -> bool:
        if not self._tables:
            return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]
        self.stir()
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def written(self) -> bool:
        """Look a little later: something was written, maybe in the place of something declared."""
        self._arm(WRITTEN)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def beat(self) -> None:
        """Look soon if since the last look anything was written (of a file that was looked at before there is
        no news), or what is mounted somewhere was removed from its place.
        """
        if self._writes.last >= self._looked or self._stale != _stale(self._manager.mounts()):
            self.stir()

    def stir(self) -> bool:
        """Look soon."""
        self._arm(SOON)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _arm(self, wait: int) -> None:
        if not self._waits and self._manager.config.declarations:
            self._waits = True
            rest = self._after - self._clock()
            GLib.timeout_add(max(wait, int(rest * 1000)), self._look_now)

    def _look_now(self) -> bool:
        self._waits = False
        self._submit(self._look)
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _look(self) -> None:
        began, self._looked = self._clock(), time.time()
        self._stale = _stale(self._manager.mounts())
        for one in self._changes.take(states(self._manager), began):
            say(one)
            self._signals.declaration(one)
        now = self._clock()
        self._after = now + min(REST * (now - began), LONGEST)
        if self._writes.pending:  # nobody says what is written until that is looked up, by this thread
            GLib.idle_add(self.written)


def _stale(table: Sequence[Mount]) -> frozenset[bytes]:
    return frozenset(mount.path for mount in table if mount.root.endswith(DELETED))
