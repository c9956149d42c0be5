"""The wait for a daemon that runs and has not taken its name on the bus yet.

Its unit is ready as soon as the kernel has the mark (start/impermanenced-start.c).  Only then the daemon is
loaded, behind everything else that wants a processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from ..errors import ServiceError
from ..system.dbus import has_owner, watch_owner
from ..system.systemd1 import Process, main_process
from .introspection import BUS_NAME
from .patience import STUCK

UNIT = "impermanenced.service"
TICK = 1000  # milliseconds between two questions whether it is still there

Waiting = Callable[[float], None]  # seconds so far


def is_starting(con: Any) -> bool:
    """Return whether the daemon's unit has a process, which then has its name or is about to take it."""
    return main_process(con, UNIT) is not None


def wait(con: Any, waiting: Waiting, clock: Callable[[], float] = time.monotonic) -> bool:
    """Return true once the daemon has its name, and false if it does not run or ends before.

    A daemon that stops is not waited for, nor is one that systemd does not know; `waiting` is called about
    each second, with the seconds so far.  Raises ServiceError if the daemon does not get any further, and
    GLib.Error where the bus does not answer.
    """
    if main_process(con, UNIT) is None:
        return False
    began = clock()
    advance = _Advance(began)

    def tick(*_: object) -> bool:
        waiting(clock() - began)
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    # News of the name come to a context of our own: the program may have a main loop, which must not turn.
    context = GLib.MainContext.new()
    context.push_thread_default()
    forget = watch_owner(con, BUS_NAME, lambda owner: None)  # it only wakes the loop below
    timer = GLib.timeout_source_new(TICK)
    timer.set_callback(tick)
    timer.attach(context)
    try:
        # The bus is asked after the subscription, so that no change falls in between.
        while not has_owner(con, BUS_NAME):
            process = main_process(con, UNIT)
            if process is None:
                return False
            advance.check(process, clock())
            context.iteration(True)
        return True
    finally:
        timer.destroy()
        forget()
        context.pop_thread_default()


class _Advance:
    """How far the daemon has got, by the processor time that it has used."""

    def __init__(self, began: float) -> None:
        self._began = self._moved = began
        self._last: Process | None = None

    def check(self, now: Process, at: float) -> None:
        """Raise ServiceError if it has used none for STUCK seconds."""
        if now != self._last:
            self._last, self._moved = now, at
        if at - self._moved >= STUCK:
            raise ServiceError(
                f"impermanenced runs, but has not taken its name on the bus in {at - self._began:.0f} s: "
                f"it does not get any further, for {at - self._moved:.0f} s",
                "journalctl -u impermanenced",
            )
