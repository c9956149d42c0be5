"""Questions to the bus itself, about connections.  The main loop does not wait for their answers.

Hard facts
    PyGObject before 3.44.2 never gives back the memory of a callback that was passed to a call which is not
    waited for, and anybody can make connections without end.
    GDBus drops an answer that nobody waits for.

So each question is a message of its own.  `frames` sees the answer before GDBus does and leaves it here, for
the one callback of all.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from .dbus import BUS

Then = Callable[[Any], None]  # with the one value of the answer, or with None for an error


class Questions:
    """The questions that are open.  The main loop's thread asks, and calls back; any thread may `take`."""

    def __init__(self, con: Any) -> None:
        self._con = con
        self._lock = threading.Lock()
        self._open: dict[int, Then] = {}  # by serial
        self._answered: deque[tuple[Then, bytes]] = deque()
        self._news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
        self._listen()

    def ask(self, method: str, name: str, then: Then) -> None:
        """Call a method of the bus about a name; `then` is never called where the connection closes."""
        message = Gio.DBusMessage.new_method_call(BUS.name, BUS.path, BUS.interface, method)
        message.set_body(GLib.Variant("(s)", (name,)))
        with self._lock:  # the answer may be here before the serial
            try:
                _, serial = self._con.send_message(message, Gio.DBusSendMessageFlags.NONE)
            except GLib.Error:  # it is closed
                return
            self._open[serial] = then

    def take(self, serial: int, message: bytes) -> bool:
        """Take the answer to the message with this serial, and return whether that was a question."""
        with self._lock:
            then = self._open.pop(serial, None)
        if then is None:
            return False
        self._answered.append((then, message))
        os.eventfd_write(self._news, 1)
        return True

    def _listen(self) -> None:
        self._source = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self._news, GLib.IOCondition.IN, self._next
        )

    def _next(self, *_: object) -> bool:
        os.eventfd_read(self._news)
        then, octets = self._answered.popleft()
        try:
            then(_value(octets))
        except BaseException:  # PyGObject prints it, and ends what has raised it
            self._listen()
            raise
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]

    def close(self) -> None:
        """Answer no more; the threads that may `take` have ended."""
        GLib.source_remove(self._source)
        os.close(self._news)


def _value(octets: bytes) -> Any:
    """Return the value of an answer with one, or None for an error."""
    message = Gio.DBusMessage.new_from_blob(octets, Gio.DBusCapabilityFlags.UNIX_FD_PASSING)
    if message.get_message_type() != Gio.DBusMessageType.METHOD_RETURN:
        return None
    (value,) = message.get_body().unpack()
    return value
