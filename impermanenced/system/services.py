"""Units that are stopped and started again, by systemctl.

Hard facts
    systemd starts nothing again that stopped because something else did, and a socket, timer or path that
    runs starts its service again at any moment.
    journald cannot be stopped for long: journalctl has it go on in /run meanwhile.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import CommandError, UsageError
from ..text import to_text
from . import command

JOURNALD = "systemd-journald.service"
PATIENCE = 600.0  # seconds that a unit may take to stop or start
BOOTED = b"/run/systemd/system"  # there if systemd runs, see sd_booted(3)

_RUNNING = ("active", "activating", "reloading", "deactivating")
_DEPENDENTS = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf")
_KIND = re.compile(r"\.(?:service|socket|timer|path)$")


class Services:
    """The units of the running system."""

    def with_triggers(self, units: Sequence[str]) -> tuple[str, ...]:
        """Return those of these units that run, and the running sockets, timers and paths that would start
        them again.

        Raises UsageError for a unit that does not exist, and CommandError if systemd does not answer.
        """
        found = dict.fromkeys(unit for unit in units if unit == JOURNALD)
        for one in _show([unit for unit in units if unit != JOURNALD]):
            if one.get("LoadState") == "not-found":
                raise UsageError(
                    f"{one.get('Id', '?')}: there is no such unit", "systemctl list-units lists them"
                )
            triggers = tuple(one.get("TriggeredBy", "").split())
            found |= dict.fromkeys([*self.running(triggers), *([one["Id"]] if _runs(one) else [])])
        return tuple(found)

    def with_dependents(self, units: Collection[str]) -> tuple[str, ...]:
        """Return the units, and those that stop with them and run now.  Raises CommandError."""
        found = dict.fromkeys(units)
        waiting = [unit for unit in units if unit != JOURNALD]
        while waiting and os.path.isdir(BOOTED):
            (one,) = _show((waiting.pop(),))
            names = [name for key in _DEPENDENTS for name in one.get(key, "").split()]
            new = tuple(name for name in names if name not in found and _KIND.search(name))
            for name in self.running(new):
                found[name] = None
                waiting.append(name)
        return tuple(found)

    def running(self, units: Sequence[str]) -> tuple[str, ...]:
        """Return those of these units that run now.  Raises CommandError."""
        return tuple(one["Id"] for one in _show(units) if _runs(one))

    def stop(self, units: Sequence[str]) -> tuple[str, ...]:
        """Stop units, and return those that refuse, such as one with RefuseManualStop=."""
        refused = []
        for unit in units:
            try:
                if unit == JOURNALD:
                    command.run(["journalctl", "--relinquish-var"], timeout=PATIENCE)
                else:
                    command.run(["systemctl", "stop", "--", unit], timeout=PATIENCE)
            except CommandError:
                refused.append(unit)
        return tuple(refused)

    def start(self, units: Sequence[str]) -> None:
        """Start units; one that fails keeps no other from being started.  Raises CommandError that names
        those that failed.
        """
        failed = []
        for unit in units:
            try:
                if unit == JOURNALD:
                    command.run(["journalctl", "--flush"], timeout=PATIENCE)
                else:
                    command.run(["systemctl", "start", "--", unit], timeout=PATIENCE)
            except CommandError:
                failed.append(unit)
        if failed:
            named = ", ".join(to_text(os.fsencode(unit)) for unit in failed)
            raise CommandError(f"these units did not start again: {named}", "systemctl status says why")

    def reload(self) -> None:
        """Have systemd read the units anew, where it runs.  Raises CommandError."""
        if os.path.isdir(BOOTED):
            command.run(["systemctl", "daemon-reload"], timeout=PATIENCE)

    def enable(self, units: Sequence[str]) -> None:
        """Have those of these units that are installed start at each boot.  Raises CommandError."""
        self._at_boot("enable", units)

    def disable(self, units: Sequence[str]) -> None:
        """Have units not start any more.  Raises CommandError."""
        self._at_boot("disable", units)

    def _at_boot(self, verb: str, units: Sequence[str]) -> None:
        there = [unit for unit in units if _is_installed(unit)]
        if there and shutil.which("systemctl"):
            command.run(["systemctl", "--quiet", verb, "--", *there], timeout=PATIENCE)


def _is_installed(unit: str) -> bool:
    return any(os.path.exists(f"{above}/lib/systemd/system/{unit}") for above in ("", "/usr"))


def _runs(unit: Mapping[str, str]) -> bool:
    return unit.get("ActiveState") in _RUNNING


def _show(units: Sequence[str]) -> Iterator[dict[str, str]]:
    if not units:  # systemctl would show its own properties
        return
    properties = ",".join(("Id", "LoadState", "ActiveState", "TriggeredBy", *_DEPENDENTS))
    said = command.run(["systemctl", "show", f"--property={properties}", "--", *units], timeout=PATIENCE)
    for block in said.decode("utf-8", "surrogateescape").strip().split("\n\n"):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
