"""What systemd's manager answers on the bus: units and their directories, times of the boot, its state."""

from __future__ import annotations

from typing import Any

from gi.repository import GLib

from .dbus import PROPERTIES, Address, call, get_property
from .systemd import Known, Span
from .unit_files import KINDS, Owner, Units, directories, from_files

_NAME = "org.freedesktop.systemd1"
_MANAGER = Address(_NAME, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_SERVICE = "org.freedesktop.systemd1.Service"
_MOST = 2000  # services that are asked

_NOT_YET = {"initializing", "starting"}
_STOPPING = "stopping"


class OnBus:
    """What an appraisal asks of systemd."""

    def __init__(self, con: Any) -> None:
        self._con = con

    def units(self, root: int) -> Units:
        found = loaded(self._con)
        return found if found is not None else from_files(root)

    def span(self) -> Span | None:
        times = boot_span(self._con)
        return Span(*times) if times else None

    def known(self) -> Known:
        """All of it, for who cannot ask."""
        return Known(loaded(self._con), self.span())


def loaded(con: Any) -> Units | None:
    """Return the directories of all loaded services; None where nobody answers."""
    arguments = GLib.Variant("(asas)", ([], ["*.service"]))
    found: dict[bytes, Owner] = {}
    try:
        (listed,) = call(con, _MANAGER, "ListUnitsByPatterns", arguments, "(a(ssssssouso))")
        for name, _, state, _, _, _, path, *_ in listed[:_MOST]:
            if state == "loaded":
                found.update(_of_service(con, name, path))
    except GLib.Error:
        return None
    return Units(found)


def _of_service(con: Any, name: str, path: str) -> dict[bytes, Owner]:
    properties = Address(_NAME, path, PROPERTIES)
    (facts,) = call(con, properties, "GetAll", GLib.Variant("(s)", (_SERVICE,)), "(a{sv})")
    dynamic = bool(facts.get("DynamicUser", False))
    found: dict[bytes, Owner] = {}
    for setting in KINDS:
        found.update(directories(name, setting, facts.get(setting, []), dynamic=dynamic))
    return found


def boot_span(con: Any) -> tuple[float, float] | None:
    """Return when the kernel started and when the boot had finished, in seconds since 1970.

    None: it has not finished, or nobody answers.
    """
    try:
        start, finish = (get_property(con, _MANAGER, name) for name in ("KernelTimestamp", "FinishTimestamp"))
    except GLib.Error:
        return None
    return (start / 1e6, finish / 1e6) if start and finish else None


def boot_has_finished(con: Any) -> bool:
    """Tell whether systemd has started what belongs to the boot; without systemd that is always so."""
    return _state(con) not in _NOT_YET


def system_is_stopping(con: Any) -> bool:
    """Tell whether the system shuts down, reboots or halts."""
    return _state(con) == _STOPPING


def _state(con: Any) -> str:
    try:
        return str(get_property(con, _MANAGER, "SystemState"))
    except GLib.Error:
        return ""
