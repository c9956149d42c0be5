"""How the watch follows the load: when it reads, and whether it asks for everything."""

from __future__ import annotations

WINDOW = 0.1  # seconds over which events are counted
BUSY = 256  # events within WINDOW from which on the load is heavy
CALM = 32  # events within WINDOW below which it is no longer: many fewer, for fewer kinds are asked for then
# Seconds between two reads under a heavy load.  A full queue is 16384 events (fs.fanotify.max_queued_events):
# 800,000 a second, which no filesystem causes, and if one does, the kernel says that it dropped some.
# Longer pauses save the writers nothing.
PAUSE = 0.02


class Pace:
    """The load, judged by the events that were read and the time at which that was done.

    While it is light the reader sleeps until there is an event, and reads at once, because the process that
    wrote may live for only a millisecond.  While it is heavy the reader sleeps for PAUSE: nobody has to wake
    it for each event, and the kernel merges those that wait.
    """

    def __init__(self) -> None:
        self.heavy = False
        self._began = 0.0
        self._events = 0

    def read(self, events: int, now: float) -> None:
        """Note that so many events were read, at this time in seconds of any clock that never goes back."""
        if now - self._began > WINDOW:
            self.heavy = self.heavy and self._events >= CALM
            self._began, self._events = now, 0
        self._events += events
        self.heavy = self.heavy or self._events >= BUSY
