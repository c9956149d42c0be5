"""Work for the main loop's thread, given by any thread.

Hard facts
    PyGObject before 3.44.2 never gives back the memory of a callback, 80 bytes, that it passed on: to
    GLib.idle_add, to a call that is not waited for, to a subscription.

So what anybody can cause is passed on as one callback, once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from gi.repository import GLib

from . import logger

log = logger.get()


class Later:
    """The work that waits for the main loop, in its order.  Close it."""

    def __init__(self) -> None:
        self._works: deque[Callable[[], None]] = deque()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
        self._source = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self._fd, GLib.IOCondition.IN, self._run
        )

    def call(self, work: Callable[[], None]) -> None:
        """Have `work` called by the main loop."""
        self._works.append(work)
        os.eventfd_write(self._fd, 1)

    def _run(self, *_: object) -> bool:
        os.eventfd_read(self._fd)
        try:
            self._works.popleft()()
        except Exception:  # GLib would print it, and never call this again
            log.exception("work failed")
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def close(self) -> None:
        """Forget what waits."""
        GLib.source_remove(self._source)
        os.close(self._fd)
