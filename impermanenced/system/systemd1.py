"""The state of systemd, its boot times and the directories of its units, by D-Bus
(org.freedesktop.systemd1(5)).
"""

from __future__ import annotations

from typing import Any

from gi.repository import GLib

from ..lazy import NamedTuple
from .dbus import Address, call, get_properties, get_property
from .systemd import KnownSystemd, Span
from .unit_files import KINDS, Owner, Units, directories, from_files

_NAME = "org.freedesktop.systemd1"
_MANAGER = Address(_NAME, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_UNIT = "org.freedesktop.systemd1.Unit"
_SERVICE = "org.freedesktop.systemd1.Service"
_MOST = 2000  # services that are looked at

_NOT_YET = {"initializing", "starting"}
_STOPPING = "stopping"
_ALIVE = {"activating", "active", "reloading"}  # states of a unit


class SystemdBus:
    """Answers to an appraisal from systemd's bus; the connection is only made when it is first needed."""

    def __init__(self, con: Any) -> None:
        self._con = con

    def units(self, root: int) -> Units:
        found = loaded(self._con)
        return found if found is not None else from_files(root)

    def span(self) -> Span | None:
        times = boot_span(self._con)
        return Span(*times) if times else None

    def known(self) -> KnownSystemd:
        """Return all answers, for a process that cannot ask."""
        return KnownSystemd(loaded(self._con), self.span())


def loaded(con: Any) -> Units | None:
    """Return the directories of the loaded services, or None if systemd does not answer."""
    arguments = GLib.Variant("(asas)", ([], ["*.service"]))
    found: dict[bytes, Owner] = {}
    try:
        (listed,) = call(con, _MANAGER, "ListUnitsByPatterns", arguments, "(a(ssssssouso))")
        for name, description, state, _, _, _, path, *_ in listed[:_MOST]:
            if state == "loaded":
                found.update(_of_service(con, name, path, description))
    except GLib.Error:
        return None
    return Units(found)


def _of_service(con: Any, name: str, path: str, description: str) -> dict[bytes, Owner]:
    dynamic, *lists = get_properties(con, Address(_NAME, path, _SERVICE), ("DynamicUser", *KINDS))
    found: dict[bytes, Owner] = {}
    for setting, names in zip(KINDS, lists, strict=True):
        named = names or []
        found.update(directories(name, setting, named, dynamic=bool(dynamic), description=description))
    return found


class Process(NamedTuple):
    """The main process of a service."""

    pid: int
    used: int  # nanoseconds of processor time of the whole service; a constant where they are not counted


def main_process(con: Any, unit: str) -> Process | None:
    """Return the main process of a service that starts or runs.

    None: it stops, or waits for its next start, or there is no such service, or systemd does not answer.
    """
    try:
        (path,) = call(con, _MANAGER, "GetUnit", GLib.Variant("(s)", (unit,)), "(o)")
        if get_property(con, Address(_NAME, path, _UNIT), "ActiveState") not in _ALIVE:
            return None
        service = Address(_NAME, path, _SERVICE)
        pid, used = (get_property(con, service, name) for name in ("MainPID", "CPUUsageNSec"))
    except GLib.Error:
        return None
    return Process(pid, used) if pid else None


def boot_span(con: Any) -> tuple[float, float] | None:
    """Return when the kernel started and when the boot had finished, in seconds since 1970, or None if not
    known yet.
    """
    try:
        start, finish = (get_property(con, _MANAGER, name) for name in ("KernelTimestamp", "FinishTimestamp"))
    except GLib.Error:
        return None
    return (start / 1e6, finish / 1e6) if start and finish else None


def boot_has_finished(con: Any) -> bool:
    """Return whether systemd has started everything that belongs to the boot; true without systemd."""
    return _state(con) not in _NOT_YET


def system_is_stopping(con: Any) -> bool:
    """Return whether the system is shutting down."""
    return _state(con) == _STOPPING


def _state(con: Any) -> str:
    """Return the state of the system, or "" if systemd does not answer."""
    try:
        return str(get_property(con, _MANAGER, "SystemState"))
    except GLib.Error:
        return ""
