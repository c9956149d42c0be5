"""Holding up a shutdown for a moment: logind's delay inhibitor (org.freedesktop.login1(5))."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from gi.repository import Gio, GLib

from .. import logger
from .registration import CALL_TIMEOUT

NAME = "org.freedesktop.login1"
PATH = "/org/freedesktop/login1"
MANAGER = "org.freedesktop.login1.Manager"

log = logger.get()


class Departure:
    """Calls `on_leaving` with true before a shutdown, which waits until `release` (or for logind's
    InhibitDelayMaxSec=), and with false when it was called off.  A system without logind never leaves.

    What asks logind is done by `executor`.
    """

    def __init__(self, con: Any, executor: Executor, on_leaving: Callable[[bool], None]) -> None:
        self._con = con
        self._executor = executor
        self._on_leaving = on_leaving
        self._lock = threading.Lock()
        self._fd = -1
        none = Gio.DBusSignalFlags.NONE
        self._subscriptions = (
            con.signal_subscribe(NAME, MANAGER, "PrepareForShutdown", PATH, None, none, self._prepare),
            con.signal_subscribe(
                "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
                "/org/freedesktop/DBus", NAME, none, self._owner_changed,
            ),
        )  # fmt: skip
        executor.submit(self._take)

    def _prepare(self, *arguments: Any) -> None:
        (leaving,) = arguments[5].unpack()
        if not leaving:
            self._executor.submit(self._take)
        self._on_leaving(leaving)

    def _owner_changed(self, *arguments: Any) -> None:
        self.release()  # what another logind gave
        if arguments[5].unpack()[2]:
            self._executor.submit(self._take)

    def _take(self) -> None:
        what = ("shutdown", "impermanenced", "The last report of what will be lost", "delay")
        try:
            answer, fds = self._con.call_with_unix_fd_list_sync(
                NAME, PATH, MANAGER, "Inhibit", GLib.Variant("(ssss)", what), GLib.VariantType("(h)"),
                Gio.DBusCallFlags.NO_AUTO_START, CALL_TIMEOUT, None, None,
            )  # fmt: skip
        except GLib.Error as error:
            log.info("a shutdown will not wait for the last report", error=error.message)
            return
        fd = fds.get(answer.unpack()[0])
        self.release()
        with self._lock:
            self._fd = fd

    def release(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def close(self) -> None:
        for number in self._subscriptions:
            self._con.signal_unsubscribe(number)
        self.release()
