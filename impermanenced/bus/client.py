"""The client of the daemon's reports."""

from __future__ import annotations

import os
from typing import Any

import pydbus
from gi.repository import Gio, GLib

from ..document.report import report_from_json
from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..model import Report
from ..system.dbus import BUS, Address, call, call_for_fd, get_property
from .introspection import BUS_NAME, INTERFACE, OBJECT_PATH

DAEMON = Address(BUS_NAME, OBJECT_PATH, INTERFACE)

_REFUSED = {NotPermitted.dbus_name, "org.freedesktop.DBus.Error.AccessDenied"}
GONE = {"org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown"}


def connect() -> Any | None:
    """Return a connection of our own to the system bus, or None: a shared one of Gio would outlive
    the call.
    """
    try:
        return pydbus.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))
    except GLib.Error:
        return None


def _read(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()


def name_and_message(error: Any) -> tuple[str, str]:
    """Return the name and the message of an error; Gio's own way to take the name off changes only a copy."""
    name = Gio.DBusError.get_remote_error(error) or ""
    return name, error.message.removeprefix(f"GDBus.Error:{name}: ")


def explain(error: Any) -> ImpermanenceError:
    """Return an error of the bus as one of ours."""
    name, text = name_and_message(error)
    message, _, hint = text.partition("\nhint: ")
    if name in _REFUSED:
        return NotPermitted(f"impermanenced: {message}", hint or None)
    return ServiceError(f"impermanenced: {message}", hint or "journalctl -u impermanenced")


def fetch_report(timeout: float, config_file: bytes) -> Report | None:
    """Return the report of the daemon that runs with this configuration file, or None if none does.

    The daemon is not started for this.  Raises NotPermitted, or ServiceError, also if the daemon sends
    something that is no report to this program.
    """
    content = _fetch(timeout, config_file)
    return None if content is None else report_from_json(content)


def _fetch(timeout: float, config_file: bytes) -> bytes | None:
    bus = connect()
    if bus is None:
        return None
    patience = max(1, int(timeout * 1000))
    with bus:
        try:
            if not call(bus.con, BUS, "NameHasOwner", GLib.Variant("(s)", (BUS_NAME,)), "(b)")[0]:
                return None
            theirs = get_property(bus.con, DAEMON, "ConfigFile", timeout=patience)
            if os.path.abspath(bytes(theirs)) != os.path.abspath(config_file):
                return None
            return _read(call_for_fd(bus.con, DAEMON, "Status", None, timeout=patience))
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) in GONE:
                return None
            raise explain(error) from None
