"""The services that write where something is copied: stopped before, and started again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence

from ..errors import CommandError, ImpermanenceError
from ..system import command
from ..text import to_text
from .writers import Writer, writers

JOURNALD = "systemd-journald.service"
TIMEOUT = 180.0  # seconds that a service may take to stop or start
RUNS = b"/run/systemd/system"  # there if systemd runs, see sd_booted(3)
# A service that must not be stopped on the way; what these have open they open anew.
_PATIENT = ("systemd-logind.service", "dbus.service", "dbus-broker.service", "impermanenced.service")
MOST = 5  # processes that are named


def to_stop(root: bytes, paths: Collection[bytes]) -> tuple[str, ...]:
    """Return the services that have something below these paths open for writing.

    Raises ImpermanenceError if others have: whose work that is, only they know.
    """
    found = [one for one in writers(root, paths) if one.unit not in _PATIENT]
    if strangers := [one for one in found if one.unit is None]:
        raise ImpermanenceError(
            f"open for writing: {_named(strangers)}; what they write after the copy would miss it",
            "end them, or log out and run this on a console or by SSH as root; it goes on where it was",
        )
    return tuple(sorted({one.unit for one in found if one.unit is not None}))


def _named(found: Sequence[Writer]) -> str:
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    names = ((to_text(one.path), to_text(os.fsencode(one.command)), one.pid) for one in found[:MOST])
    return ", ".join(f"{path} ({name}, pid {pid})" for path, name, pid in names) + more


def stop(units: Collection[str]) -> None:
    """Stop services; the journal goes on in /run."""
    others = [unit for unit in units if unit != JOURNALD]
    if JOURNALD in units:
        command.run(["journalctl", "--relinquish-var"], timeout=TIMEOUT)
    if others:
        command.run(["systemctl", "stop", "--", *others], timeout=TIMEOUT)


def start(units: Collection[str]) -> None:
    """Start services again; one that fails keeps no other from being started."""
    failed = []
    if JOURNALD in units:
        command.run(["journalctl", "--flush"], timeout=TIMEOUT)
    for unit in units:
        if unit != JOURNALD:
            try:
                command.run(["systemctl", "start", "--", unit], timeout=TIMEOUT)
            except CommandError:
                failed.append(unit)
    if failed:
        named = ", ".join(to_text(os.fsencode(unit)) for unit in failed)
        raise ImpermanenceError(f"these services did not start again: {named}", "systemctl status says why")


def reload() -> None:
    """Have systemd read the units anew, where it runs."""
    if os.path.isdir(RUNS):
        command.run(["systemctl", "daemon-reload"], timeout=TIMEOUT)


def is_there(unit: str) -> bool:
    """Return whether the unit is installed."""
    return any(os.path.exists(f"{above}/lib/systemd/system/{unit}") for above in ("", "/usr"))


def enable(units: Sequence[str]) -> None:
    """Have services start at each boot."""
    if units and shutil.which("systemctl"):
        command.run(["systemctl", "--quiet", "enable", "--", *units], timeout=TIMEOUT)
