"""What a job works on: the system, and whoever is told and asked meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...config.load import Config
from ...copying import Progress
from ...volumes.machine import Machine


class Services(Protocol):
    """The manager of units, as far as a job needs it; see `system.services`."""

    def with_triggers(self, units: Sequence[str]) -> tuple[str, ...]: ...
    def running(self, units: Sequence[str]) -> tuple[str, ...]: ...
    def stop(self, units: Sequence[str]) -> tuple[str, ...]: ...
    def start(self, units: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """The system that a job works on."""

    root: bytes  # where its "/" is mounted
    config: Config
    machine: Machine
    drop_ins: bytes  # the directory of its drop-ins, as this process reaches it
    services: Services
    check: Callable[[], None]  # raises ImpermanenceError if the configuration cannot be applied by now
    compile: Callable[[], None]  # has the next boot do what the configuration declares by now
    tell: Callable[[str], None]  # a step, in words
    progress: Callable[[Progress], None]
    cancelled: Callable[[], bool]

    def real(self, path: bytes) -> bytes:
        """Return where a path of the system is for this process."""
        return self.root.rstrip(b"/") + path
