"""What is asked of the running system's manager, and how without its bus."""

from __future__ import annotations

import contextlib
from typing import NamedTuple, Protocol

from ..errors import CommandError
from . import command, unit_files
from .unit_files import Units

TIMEOUT = 5.0  # seconds


class Span(NamedTuple):
    """A boot's own time, in seconds since 1970: what it made by itself it made then."""

    start: float
    settled: float


class Asked(Protocol):
    def units(self, root: int) -> Units:
        """Whose the directories are; `root` is a descriptor of the system's root."""

    def span(self) -> Span | None:
        """None: the boot has not finished, or nobody knows."""


class WithoutBus:
    """For the command line: unit files, and one call of systemctl."""

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
        # Whole seconds: what was made in the last one counts.
        return Span(start, settled + 1) if start and settled else None


class Nobody:
    """For a volume of another system."""

    def units(self, root: int) -> Units:
        return unit_files.from_files(root)

    def span(self) -> Span | None:
        return None


class Known:
    """What somebody else asked of the running system's manager; `found` is None where nobody was there."""

    def __init__(self, found: Units | None, span: Span | None) -> None:
        self._found = found
        self._span = span

    def units(self, root: int) -> Units:
        return self._found if self._found is not None else unit_files.from_files(root)

    def span(self) -> Span | None:
        return self._span
