"""The directories of the units that systemd has loaded, and when it brought the machine up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gio, GLib

from .dbus import CALL_TIMEOUT, PROPERTIES
from .systemd import Known, Span
from .unit_files import KINDS, Owner, Units, directories, from_files

_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_SERVICE = "org.freedesktop.systemd1.Service"
_MOST = 2000  # services that are asked


class OnBus:
    """What an appraisal asks of systemd, by a connection that need not be there before it is asked."""

    def __init__(self, connection: Callable[[], Any]) -> None:
        self._connection = connection

    def units(self, root: int) -> Units:
        found = loaded(self._connection())
        return found if found is not None else from_files(root)

    def span(self) -> Span | None:
        times = boot_span(self._connection())
        return Span(*times) if times else None

    def known(self) -> Known:
        """All of it, for who cannot ask."""
        return Known(loaded(self._connection()), self.span())


def _call(con: Any, path: str, interface: str, method: str, arguments: Any, reply: str) -> Any:
    return con.call_sync(
        _SYSTEMD, path, interface, method, arguments, GLib.VariantType(reply),
        Gio.DBusCallFlags.NO_AUTO_START, CALL_TIMEOUT, None,
    ).unpack()  # fmt: skip


def loaded(con: Any) -> Units | None:
    """None: there is nobody to ask."""
    arguments = GLib.Variant("(asas)", ([], ["*.service"]))
    found: dict[bytes, Owner] = {}
    try:
        (listed,) = _call(
            con, "/org/freedesktop/systemd1", _MANAGER, "ListUnitsByPatterns", arguments, "(a(ssssssouso))"
        )
        for name, _, state, _, _, _, path, *_ in listed[:_MOST]:
            if state == "loaded":
                found.update(_of_service(con, name, path))
    except GLib.Error:
        return None
    return Units(found)


def _of_service(con: Any, name: str, path: str) -> dict[bytes, Owner]:
    (facts,) = _call(con, path, PROPERTIES, "GetAll", GLib.Variant("(s)", (_SERVICE,)), "(a{sv})")
    dynamic = bool(facts.get("DynamicUser", False))
    found: dict[bytes, Owner] = {}
    for setting in KINDS:
        found.update(directories(name, setting, facts.get(setting, []), dynamic=dynamic))
    return found


def boot_span(con: Any) -> tuple[float, float] | None:
    """When the kernel was started and when the boot had finished, seconds since 1970; None: not known yet."""
    times = []
    try:
        for name in ("KernelTimestamp", "FinishTimestamp"):
            arguments = GLib.Variant("(ss)", (_MANAGER, name))
            (microseconds,) = _call(con, "/org/freedesktop/systemd1", PROPERTIES, "Get", arguments, "(v)")
            times.append(microseconds / 1e6)
    except GLib.Error:
        return None
    return (times[0], times[1]) if all(times) else None
