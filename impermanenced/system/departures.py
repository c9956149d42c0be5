"""The connections that close, told to who watches them.

Hard facts
    PyGObject before 3.44.2 never gives back the memory of a callback that it passed on: 300 bytes for a
    subscription, 80 for a call that is not waited for.

So there is one subscription for all watched connections, and a match rule for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from .dbus import BUS

_RULE = (
    f"type='signal',sender='{BUS.name}',interface='{BUS.interface}',member='NameOwnerChanged',"
    f"path='{BUS.path}',arg0='%s'"
)


class Departures:
    """The watched connections.  Only the main loop's thread uses it, but any thread may end a watch."""

    def __init__(self, con: Any) -> None:
        self._con = con
        self._watched: dict[str, list[Callable[[], None]]] = {}
        self._id = con.signal_subscribe(
            BUS.name, BUS.interface, "NameOwnerChanged", BUS.path, None,
            Gio.DBusSignalFlags.NO_MATCH_RULE, self._changed,
        )  # fmt: skip

    def watch(self, sender: str, gone: Callable[[], None]) -> Callable[[], None]:
        """Call `gone` when a connection closes; return a function that ends this."""
        watchers = self._watched.setdefault(sender, [])
        watchers.append(gone)
        if len(watchers) == 1:
            self._match("AddMatch", sender)
        return lambda: self._forget(sender, gone)

    def _forget(self, sender: str, gone: Callable[[], None]) -> None:
        watchers = self._watched.get(sender, [])
        if gone in watchers:
            watchers.remove(gone)
            if not watchers:
                del self._watched[sender]
                self._match("RemoveMatch", sender)

    def _changed(self, *arguments: Any) -> None:
        name, _, owner = arguments[5].unpack()
        if not owner:
            for gone in tuple(self._watched.get(name, ())):
                gone()

    def _match(self, method: str, sender: str) -> None:
        """Send what has no answer that anybody waits for."""
        arguments = GLib.Variant("(s)", (_RULE % sender,))
        self._con.call(*BUS, method, arguments, None, Gio.DBusCallFlags.NONE, -1, None, None)

    def close(self) -> None:
        self._con.signal_unsubscribe(self._id)
