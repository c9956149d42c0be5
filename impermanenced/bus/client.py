"""Asking the daemon for its report."""

from __future__ import annotations

import json
import os
from typing import Any

import pydbus
from gi.repository import Gio, GLib

from ..document.report import report_from_json
from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..model import Report
from ..system.dbus import PROPERTIES, ask_bus
from .introspection import BUS_NAME, INTERFACE, OBJECT_PATH

_REFUSED = {NotPermitted.dbus_name, "org.freedesktop.DBus.Error.AccessDenied"}
GONE = {"org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown"}


def connect() -> Any | None:
    """A connection of our own to the system bus, or None: what Gio shares would outlive the call."""
    try:
        return pydbus.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))
    except GLib.Error:
        return None


def _read(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()


def _ask(
    con: Any, interface: str, method: str, arguments: Any, answer: str, timeout: float
) -> tuple[Any, Any]:
    return con.call_with_unix_fd_list_sync(  # type: ignore[no-any-return]
        BUS_NAME,
        OBJECT_PATH,
        interface,
        method,
        arguments,
        GLib.VariantType(answer),
        Gio.DBusCallFlags.NO_AUTO_START,
        max(1, int(timeout * 1000)),
        None,
        None,
    )


def name_and_message(error: Any) -> tuple[str, str]:
    """Gio puts the name before the message; its own way to take it off changes a copy only."""
    name = Gio.DBusError.get_remote_error(error) or ""
    return name, error.message.removeprefix(f"GDBus.Error:{name}: ")


def explain(error: Any) -> ImpermanenceError:
    name, text = name_and_message(error)
    message, _, hint = text.partition("\nhint: ")
    if name in _REFUSED:
        return NotPermitted(f"impermanenced: {message}", hint or None)
    return ServiceError(f"impermanenced: {message}", hint or "journalctl -u impermanenced")


def fetch_report(timeout: float, config_file: bytes) -> Report | None:
    """The report of the daemon that runs with this configuration file; None where none does.

    The daemon is not started for this.  Raises NotPermitted, or ServiceError, also where the daemon sends
    something that is no report to this program.
    """
    content = _fetch(timeout, config_file)
    return None if content is None else report_from_json(content)


def fetch_status(timeout: float, config_file: bytes) -> dict[str, Any] | None:
    content = _fetch(timeout, config_file)
    return None if content is None else json.loads(content)


def _fetch(timeout: float, config_file: bytes) -> bytes | None:
    bus = connect()
    if bus is None:
        return None
    with bus:
        try:
            if not ask_bus(bus.con, "NameHasOwner", GLib.Variant("(s)", (BUS_NAME,)), "(b)")[0]:
                return None
            wanted = GLib.Variant("(ss)", (INTERFACE, "ConfigFile"))
            (theirs,), _ = _ask(bus.con, PROPERTIES, "Get", wanted, "(v)", timeout)
            if os.path.abspath(bytes(theirs)) != os.path.abspath(config_file):
                return None
            (index,), fds = _ask(bus.con, INTERFACE, "Status", None, "(h)", timeout)
            return _read(fds.get(index))
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) in GONE:
                return None
            raise explain(error) from None
