"""Inhibitors of logind, which delay or refuse a shutdown (org.freedesktop.login1(5))."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from gi.repository import Gio, GLib

from . import logger
from .dbus import Address, call_for_fd, get_property, watch_owner

MANAGER = Address("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")

DEFAULT_DELAY = 5.0  # seconds: InhibitDelayMaxSec= of logind.conf(5)
LONGEST_DELAY = 600.0  # seconds, in place of for ever
ASKED = 1000  # milliseconds for a question while a shutdown waits

log = logger.get()


class Inhibitor:
    """One inhibitor of mode "delay" or "block", which `hold` asks logind for and `release` gives up.

    Between the two, a logind that starts later, or again, is asked too.  A system without logind has no
    inhibitors.  `executor` makes the calls to logind.
    """

    def __init__(self, con: Any, executor: Executor, mode: str, without: str) -> None:
        """Prepare the inhibitor; `without` is what the journal says where logind gives none."""
        self._con = con
        self._executor = executor
        self._mode = mode
        self._without = without
        self._lock = threading.Lock()
        self._why = ""  # empty while it is not wanted
        self._then: Callable[[], None] = _nothing
        self._fd = -1
        self._unsubscribe = watch_owner(con, MANAGER.name, self._owner_changed)

    def hold(self, why: str, then: Callable[[], None] | None = None) -> None:
        """Ask for the inhibitor.  Everybody can see `why`; `then` is called once logind has given it."""
        with self._lock:
            self._why, self._then = why, then or _nothing
        self._executor.submit(self._take)

    def _owner_changed(self, owner: str) -> None:
        self._let_go()  # an inhibitor of another logind is worth nothing
        if owner:
            self._executor.submit(self._take)

    def _take(self) -> None:
        if not self._why:
            return
        arguments = GLib.Variant("(ssss)", ("shutdown", "impermanenced", self._why, self._mode))
        try:
            fd = call_for_fd(self._con, MANAGER, "Inhibit", arguments)
        except GLib.Error as error:
            log.info(self._without, error=error.message)
            return
        with self._lock:
            if self._why:
                fd, self._fd = self._fd, fd
                then, self._then = self._then, _nothing
                then()  # under the lock, so that no release comes before it
        _close(fd)

    def _let_go(self) -> bool:
        with self._lock:
            fd, self._fd = self._fd, -1
        _close(fd)
        return fd >= 0

    def release(self) -> bool:
        """Give the inhibitor up, and return whether it was held."""
        with self._lock:
            self._why = ""
        return self._let_go()

    def close(self) -> None:
        self._unsubscribe()
        self.release()


def _nothing() -> None:
    pass


def _close(fd: int) -> None:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)


class ShutdownDelay:
    """The delay of a shutdown: it calls `on_leaving` with true before one, and with false if it was called
    off.

    The shutdown waits until `release`, or for logind's InhibitDelayMaxSec=.  A system without logind never
    calls.
    """

    def __init__(self, con: Any, executor: Executor, on_leaving: Callable[[bool], None]) -> None:
        self._con = con
        self._on_leaving = on_leaving
        self._inhibitor = Inhibitor(con, executor, "delay", "a shutdown will not wait for the last report")
        none = Gio.DBusSignalFlags.NONE
        self._subscription = con.signal_subscribe(
            MANAGER.name, MANAGER.interface, "PrepareForShutdown", MANAGER.path, None, none, self._prepare
        )
        self._hold()

    def _hold(self) -> None:
        self._inhibitor.hold("The last report of what will be lost")

    def _prepare(self, *arguments: Any) -> None:
        (leaving,) = arguments[5].unpack()
        if not leaving:
            self._hold()
        self._on_leaving(leaving)

    def most(self) -> float:
        """Return for how many seconds logind waits at most, or its default where it does not say; that is
        never more than LONGEST_DELAY.
        """
        try:
            found = get_property(self._con, MANAGER, "InhibitDelayMaxUSec", timeout=ASKED) / 1e6
            return float(min(found, LONGEST_DELAY))
        except GLib.Error:
            return DEFAULT_DELAY

    def release(self) -> None:
        self._inhibitor.release()

    def close(self) -> None:
        self._con.signal_unsubscribe(self._subscription)
        self._inhibitor.close()
