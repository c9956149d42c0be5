"""What is asked of systemd's own manager."""

from __future__ import annotations

from typing import Any

from gi.repository import Gio, GLib

from .registration import CALL_TIMEOUT, PROPERTIES

_NOT_YET = {"initializing", "starting"}


def boot_has_finished(con: Any) -> bool:
    """False while systemd still starts what belongs to the boot; a system without systemd has finished."""
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
        return True
    return state not in _NOT_YET
