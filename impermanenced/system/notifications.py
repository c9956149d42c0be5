"""Notifications on the user's desktop (Desktop Notifications Specification 1.2).

The daemon never uses this: a user can answer anything on the user's own session bus.  A notification is
for one user alone, so the session bus has to be that user's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import pydbus
from gi.repository import Gio, GLib

from ..errors import NotPermitted, ServiceError
from .dbus import Address, call

SERVER = Address(
    "org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications"
)
LOW, NORMAL = 0, 1  # urgency

_NO_ID = 0
_SERVER_DECIDES = -1  # how long it is shown


def connect() -> Any:
    """Return a connection to the session bus.

    Raises ServiceError if there is none, and NotPermitted if it is another user's.
    """
    try:
        con = pydbus.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SESSION, None)).con
    except GLib.Error as error:
        raise ServiceError(
            f"session bus: {error.message}", "notifications are for a session: run it as its user"
        ) from None
    uid = con.get_stream().get_socket().get_credentials().get_unix_user()  # as the kernel knows it
    if uid != os.geteuid():
        raise NotPermitted("the session bus is another user's", "run it as the user of the session")
    return con


class Desktop:
    """The one notification that is shown at a time; a later one replaces it."""

    def __init__(self, con: Any, closed: Callable[[], None]) -> None:
        """Listen for its end; `closed` is called when the user dismisses the notification, or it expires."""
        self._con = con
        self._id = _NO_ID
        self._closed = closed
        none = Gio.DBusSignalFlags.NONE
        con.signal_subscribe(
            SERVER.name, SERVER.interface, "NotificationClosed", SERVER.path, None, none, self._on_closed
        )

    def _on_closed(self, *arguments: Any) -> None:
        if self._id != _NO_ID and arguments[5].unpack()[0] == self._id:
            self._id = _NO_ID
            self._closed()

    def show(self, summary: str, lines: Sequence[str], urgency: int) -> None:
        """Show a summary and lines of plain text.  Raises ServiceError if no notification can be
        shown now.
        """
        try:
            (capabilities,) = self._call("GetCapabilities", None, "(as)")
            # A server that knows markup obeys `<`, so it is escaped; another one shows the text as it is.
            body = "\n".join(map(escape, lines) if "body-markup" in capabilities else lines)
            hints = {"urgency": GLib.Variant("y", urgency)}
            no_actions: list[str] = []
            asked = GLib.Variant("(susssasa{sv}i)", (
                "impermanence", self._id, "dialog-warning", summary, body, no_actions, hints, _SERVER_DECIDES,
            ))  # fmt: skip
            (self._id,) = self._call("Notify", asked, "(u)")
        except GLib.Error as error:
            raise ServiceError(f"no notification can be shown: {error.message}") from None

    def _call(self, method: str, arguments: Any, answer: str) -> Any:
        return call(self._con, SERVER, method, arguments, answer, start=True)
