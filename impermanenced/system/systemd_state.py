"""What is asked of systemd's own manager."""

from __future__ import annotations

from typing import Any

from gi.repository import Gio, GLib

from .dbus import CALL_TIMEOUT, PROPERTIES

_NOT_YET = {"initializing", "starting"}
_STOPPING = "stopping"


def boot_has_finished(con: Any) -> bool:
    """False while systemd still starts what belongs to the boot; a system without systemd has finished."""
    return _state(con) not in _NOT_YET


def system_is_stopping(con: Any) -> bool:
    return _state(con) == _STOPPING


def _state(con: Any) -> str:
    """Empty where nobody says."""
    try:
        (state,) = con.call_sync(
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            PROPERTIES,
            "Get",
            GLib.Variant("(ss)", ("org.freedesktop.systemd1.Manager", "SystemState")),
            GLib.VariantType("(v)"),
            Gio.DBusCallFlags.NO_AUTO_START,
            CALL_TIMEOUT,
            None,
        ).unpack()
    except GLib.Error:
        return ""
    return str(state)
