"""The questions to systemd about the running system, and their answers without its bus."""

from __future__ import annotations

import contextlib
from typing import Protocol

from ..errors import CommandError
from ..lazy import NamedTuple
from . import command, unit_files
from .unit_files import Units

TIMEOUT = 5.0  # seconds


class Span(NamedTuple):
    """The time that a boot took, in seconds since 1970: it made its own files between these two."""

    start: float
    settled: float


class Systemd(Protocol):
    """The questions that the appraisal asks of systemd."""

    def units(self, root: int) -> Units:
        """Return which units own which directories; `root` is a descriptor of the system's root."""

    def span(self) -> Span | None:
        """Return the time of this boot, or None if it has not finished or is not known."""


class Systemctl:
    """Answers for the command line, from unit files and one call of systemctl."""

    def units(self, root: int) -> Units:
        return unit_files.from_files(root)

    def span(self) -> Span | None:
        properties = "--property=KernelTimestamp,FinishTimestamp"
        try:
            said = command.run(["systemctl", "show", "--timestamp=unix", properties], timeout=TIMEOUT)
        except CommandError:
            return None
        times = {}
        for line in said.decode("ascii", "replace").splitlines():
            key, _, value = line.partition("=")
            with contextlib.suppress(ValueError):
                times[key] = float(value.removeprefix("@"))
        start, settled = times.get("KernelTimestamp", 0.0), times.get("FinishTimestamp", 0.0)
        # systemctl gives whole seconds, so a file of the last one counts.
        return Span(start, settled + 1) if start and settled else None


class NoSystemd:
    """Answers for a volume of another system."""

    def units(self, root: int) -> Units:
        return unit_files.from_files(root)

    def span(self) -> Span | None:
        return None


class KnownSystemd:
    """Answers that another process has asked for; `found` is None if it could not ask."""

    def __init__(self, found: Units | None, span: Span | None) -> None:
        self._found = found
        self._span = span

    def units(self, root: int) -> Units:
        return self._found if self._found is not None else unit_files.from_files(root)

    def span(self) -> Span | None:
        return self._span
