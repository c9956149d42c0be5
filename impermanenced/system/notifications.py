"""A notification on the desktop of who runs this, by the Desktop Notifications Specification 1.2.

Never by the daemon: a session's bus is its user's, who may say anything on it.  What is shown there is for
its user alone, so the bus has to be of the same one.
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
_SERVER_DECIDES = -1  # when it goes


def connect() -> Any:
    """The session's bus; ServiceError where there is none, NotPermitted where it is another user's."""
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
    """One notification at most is there; another takes its place."""

    def __init__(self, con: Any, closed: Callable[[], None]) -> None:
        """`closed` is called when the user, or time, has taken it away."""
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
        """ServiceError where nobody shows notifications, or not now.  The lines are plain text."""
        try:
            (capabilities,) = self._call("GetCapabilities", None, "(as)")
            # In a body `<` may begin what a server obeys; one that does not obey shows all as it is.
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
