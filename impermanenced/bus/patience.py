"""How long a client waits for the daemon's report: as long as the daemon gets further with it."""

from __future__ import annotations

import time
from collections.abc import Callable

SILENT = 60.0  # seconds without an answer, after which the daemon counts as lost
STUCK = 120.0  # seconds for which a report takes no processor time
IDLE = 600.0  # seconds without a report in the making: after one for another user there is a pause

Progress = tuple[int, int]  # the property of the daemon


class Patience:
    """The patience of one client, who asks for the daemon's Progress again and again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._answered = self._moved = clock()
        self._last: Progress | None = None

    @property
    def waited(self) -> float:
        """Return for how many seconds the client has waited."""
        return self._clock() - self._began

    def heard(self, progress: Progress | None) -> str | None:
        """Take what the daemon answered, None for nothing; return why it is no use to wait any longer, or
        None.
        """
        now = self._clock()
        if progress is not None:
            self._answered = now
            if progress != self._last:
                self._last, self._moved = progress, now
        if now - self._answered >= SILENT:
            return f"it has not answered for {SILENT:.0f} s"
        works = self._last is not None and self._last[0] != 0
        if now - self._moved >= (STUCK if works else IDLE):
            what = "its report does not get any further" if works else "it has begun no report"
            return f"{what}, for {now - self._moved:.0f} s"
        return None
