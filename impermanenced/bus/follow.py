"""A follower of the daemon's news, across restarts of the daemon."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from ..errors import ImpermanenceError, ServiceError
from ..system.dbus import BUS, Address, call, get_property, watch_owner
from ..text import to_text
from .client import CLOSED, GONE, Waiting, arrives, explain
from .introspection import BUS_NAME, INTERFACE, OBJECT_PATH

EVERYTHING = 2**32 - 1  # all news that the daemon remembers
TIMEOUT = 10_000  # milliseconds


class Follower:
    """The receiver of the daemon's news.

    It calls `tell` with each piece of news as JSON, and `changed` with false when the daemon has gone and
    with true when there is one again.  An ImpermanenceError or OSError in either ends `run`, which raises it.
    """

    def __init__(
        self,
        con: Any,
        tell: Callable[[str], None],
        changed: Callable[[bool], None],
        config_file: bytes | None = None,
    ) -> None:
        """Prepare to follow; with `config_file` a daemon that runs with another one is a ServiceError."""
        self._con = con
        self._tell = tell
        self._changed = changed
        self._config_file = config_file
        self._loop = GLib.MainLoop()
        self._error: BaseException | None = None
        self._followed = ""  # the daemon's connection
        self._subscription: int | None = None

    def run(self, last: int, starting: Waiting | None = None) -> None:
        """Begin with the `last` news that the daemon remembers, and continue until something fails.

        With `starting` a daemon that does not run is a ServiceError; one that is being loaded is waited for,
        and `starting` called as `arrives` does.  Without it any daemon is waited for, however long.
        """
        self._con.connect("closed", self._closed)
        # The watch begins before the owner is asked for, so that no change falls in between.
        watch_owner(self._con, BUS_NAME, lambda owner: self._guard(self._owner_changed, owner))
        owner = self._owner()
        if not owner and starting is not None and self._arrives(starting):
            owner = self._owner()
        if owner:
            self._follow(owner, last)
        elif starting is not None:
            raise ServiceError("impermanenced does not run", "systemctl start impermanenced")
        if self._error is None:
            self._loop.run()
        if self._error is not None:
            raise self._error

    def fail(self, error: BaseException) -> None:
        """End `run` with this error."""
        self._error = error
        self._loop.quit()

    def _guard(self, work: Callable[[Any], None], argument: Any) -> None:
        """Run `work`, and end `run` with its error: GLib would print the error and continue."""
        if self._error is not None:
            return
        try:
            work(argument)
        except (ImpermanenceError, OSError) as error:
            self.fail(error)

    def _closed(self, *_: object) -> None:
        self.fail(ServiceError("the system bus closed the connection", "systemctl status dbus"))

    def _owner(self) -> str:
        try:
            return str(call(self._con, BUS, "GetNameOwner", GLib.Variant("(s)", (BUS_NAME,)), "(s)")[0])
        except GLib.Error:
            return ""

    def _arrives(self, starting: Waiting) -> bool:
        try:
            return arrives(self._con, starting)
        except GLib.Error:
            return False

    def _owner_changed(self, owner: str) -> None:
        if owner == self._followed:
            return
        self._let_go()
        self._changed(bool(owner))
        if owner:
            # All that it remembers was written while nobody followed.
            self._follow(owner, EVERYTHING)

    def _follow(self, owner: str, last: int) -> None:
        """Ask for the daemon's news.  News that arrive before the answer wait for the main loop, and so come
        after it.
        """
        self._followed = owner
        # Subscribed by the connection's own name: any process could send under the daemon's well-known one.
        self._subscription = self._con.signal_subscribe(
            owner, INTERFACE, "News", OBJECT_PATH, None, Gio.DBusSignalFlags.NONE,
            lambda *arguments: self._guard(self._tell, arguments[5].unpack()[0]),
        )  # fmt: skip
        daemon = Address(owner, OBJECT_PATH, INTERFACE)
        try:
            if self._config_file is not None:
                theirs = get_property(self._con, daemon, "ConfigFile", timeout=TIMEOUT)
                _check_config(bytes(theirs), self._config_file)
            arguments = GLib.Variant("(u)", (last,))
            (news,) = call(self._con, daemon, "Follow", arguments, "(as)", timeout=TIMEOUT)
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) not in GONE | {CLOSED}:
                raise explain(error) from None
            return  # the bus says next that its name is free
        for text in news:
            self._tell(text)

    def _let_go(self) -> None:
        self._followed = ""
        if self._subscription is not None:
            self._con.signal_unsubscribe(self._subscription)
            self._subscription = None


def _check_config(theirs: bytes, wanted: bytes) -> None:
    if os.path.abspath(theirs) != os.path.abspath(wanted):
        raise ServiceError(f"impermanenced runs with {to_text(theirs)}, not with {to_text(wanted)}")
