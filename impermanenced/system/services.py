"""The units of the running system, stopped and started again by systemctl.

Hard facts
    systemd stops with a unit those that require it, are bound to it or are part of it, and starts none of
    these again with it.
    A socket, a timer or a path that waits for a unit starts it again while it is to be stopped.
    The journal never has to stop: it goes on in /run when it is told to leave /var.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping

from ..errors import CommandError, ImpermanenceError, UsageError
from ..lazy import regex
from . import command

PATIENCE = 600.0  # seconds that a unit may take to stop or start
JOURNALD = "systemd-journald.service"
_BOOTED = "/run/systemd/system"  # sd_booted(3)
_RUNNING = ("active", "activating", "reloading", "refreshing", "deactivating")
_TRIGGERS = "TriggeredBy"
_DEPENDENTS = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf")
_PROPERTIES = f"--property={','.join(('Id', 'LoadState', 'ActiveState', _TRIGGERS, *_DEPENDENTS))}"
_KIND = regex(r".*\.(?:service|socket|timer|path)")  # units that do something


def is_booted() -> bool:
    """Return whether systemd runs this system."""
    return os.path.isdir(_BOOTED)


class Services:
    """The units of the running system."""

    def with_others(self, units: Collection[str]) -> tuple[str, ...]:
        """Return those of these units that run, after what else has to stop and be started again: what would
        start them meanwhile, and what systemd stops with them.

        Raises UsageError for a unit that does not exist, and CommandError if systemd does not answer.
        """
        found = [JOURNALD] if JOURNALD in units else []
        waiting = [unit for unit in units if unit != JOURNALD]
        seen = {JOURNALD, *waiting}
        while waiting:
            others: list[str] = []
            for one in _show(waiting):
                name, runs = one["Id"], _runs(one)
                if not runs and one.get("LoadState") == "not-found":
                    raise UsageError(f"{name}: there is no such unit", "systemctl list-units lists them")
                if runs and name not in found:
                    found.append(name)
                for key in (_TRIGGERS, *(_DEPENDENTS if runs else ())):
                    others += filter(_KIND.fullmatch, one.get(key, "").split())
            waiting = [name for name in dict.fromkeys(others) if name not in seen]
            seen.update(waiting)
        return tuple(reversed(found))

    def running(self, units: Collection[str]) -> tuple[str, ...]:
        """Return those of these units that run now."""
        return tuple(one["Id"] for one in _show(units) if _runs(one))

    def stop(self, units: Collection[str]) -> tuple[str, ...]:
        """Stop units, and return those that go on all the same, as one with RefuseManualStop= does.

        The journal leaves /var.  Raises CommandError if systemd does not answer.
        """
        if JOURNALD in units:
            command.run(["journalctl", "--relinquish-var"], timeout=PATIENCE)
        return () if _did("stop", units) else self.running(_without_journal(units))

    def start(self, units: Collection[str]) -> None:
        """Start units, and have the journal write to /var again.

        One that fails keeps no other from being started.  Raises ImpermanenceError that names it.
        """
        if JOURNALD in units:
            command.run(["journalctl", "--flush"], timeout=PATIENCE)
        if not _did("start", units):
            failed = [one["Id"] for one in _show(_without_journal(units)) if not _runs(one)]
            raise ImpermanenceError(f"not started again: {', '.join(failed)}", "systemctl status says why")

    def reload(self) -> None:
        """Have systemd read the units anew."""
        if is_booted():
            command.run(["systemctl", "daemon-reload"], timeout=PATIENCE)

    def enable(self, units: Collection[str]) -> None:
        """Have those of these units that are installed start at each boot.  Raises CommandError."""
        _set("enable", units)

    def disable(self, units: Collection[str]) -> None:
        """Have those of these units that are installed not start any more.  Raises CommandError."""
        _set("disable", units)


def _without_journal(units: Collection[str]) -> list[str]:
    return [unit for unit in units if unit != JOURNALD]


def _did(verb: str, units: Collection[str]) -> bool:
    """Stop or start units, and return whether each did as it was told; one that did not keeps no other."""
    rest = _without_journal(units)
    try:
        if rest:
            # What was stopped is started again, whoever wants to stop the work by Ctrl-C.
            command.run(["systemctl", verb, "--", *rest], timeout=PATIENCE, apart=verb == "start")
    except CommandError:
        return False
    return True


def _runs(unit: Mapping[str, str]) -> bool:
    return unit.get("ActiveState") in _RUNNING


def _show(units: Collection[str]) -> Iterator[dict[str, str]]:
    if units:
        said = command.run(["systemctl", "show", _PROPERTIES, "--", *units], timeout=PATIENCE)
        for block in said.decode("utf-8", "replace").strip().split("\n\n"):
            yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _set(verb: str, units: Collection[str]) -> None:
    there = [unit for unit in units if _is_installed(unit)]
    if there and shutil.which("systemctl"):
        command.run(["systemctl", "--quiet", verb, "--", *there], timeout=PATIENCE)


def _is_installed(unit: str) -> bool:
    return any(os.path.exists(f"{above}/lib/systemd/system/{unit}") for above in ("", "/usr"))
