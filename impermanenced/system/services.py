"""Units that are stopped and started again, by systemctl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import UsageError
from . import command

PATIENCE = 600.0  # seconds that a unit may take to stop or start
_RUNNING = ("active", "activating", "reloading", "deactivating")


class Services:
    """The units of the running system."""

    def with_triggers(self, units: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of these units that run, and the running sockets, timers and paths that would start
        them again.

        Raises UsageError for a unit that does not exist, and CommandError if systemd does not answer.
        """
        found: dict[str, None] = {}
        for one in _show(units):
            if one.get("LoadState") == "not-found":
                raise UsageError(
                    f"{one.get('Id', '?')}: there is no such unit", "systemctl list-units lists them"
                )
            triggers = tuple(one.get("TriggeredBy", "").split())
            names = [other["Id"] for other in _show(triggers) if _runs(other)] if triggers else []
            found |= dict.fromkeys([*names, *([one["Id"]] if _runs(one) else [])])
        return tuple(found)

    def running(self, units: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of these units that run now."""
        return tuple(one["Id"] for one in _show(units) if _runs(one)) if units else ()

    def stop(self, units: tuple[str, ...]) -> None:
        """Stop units, and return when they have stopped.  Raises CommandError."""
        if units:
            command.run(["systemctl", "stop", "--", *units], timeout=PATIENCE)

    def start(self, units: tuple[str, ...]) -> None:
        """Start units, whoever wants to stop the work.  Raises CommandError."""
        if units:
            command.run(["systemctl", "start", "--", *units], timeout=PATIENCE, apart=True)


def _runs(unit: Mapping[str, str]) -> bool:
    return unit.get("ActiveState") in _RUNNING


def _show(units: tuple[str, ...]) -> Iterator[dict[str, str]]:
    properties = "--property=Id,LoadState,ActiveState,TriggeredBy"
    said = command.run(["systemctl", "show", properties, "--", *units], timeout=PATIENCE)
    for block in said.decode("utf-8", "replace").strip().split("\n\n"):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
