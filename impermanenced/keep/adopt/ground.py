"""What a job works on: the system, and whoever is told and asked meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from ...config.load import Config
from ...copying import Progress, Size
from ...errors import Cancelled
from ...volumes.machine import Machine


class Services(Protocol):
    """The manager of units, as far as a job needs it."""

    def with_others(self, units: Collection[str]) -> tuple[str, ...]:
        """Return those of these units that run, after what else has to stop and be started again."""

    def running(self, units: Collection[str]) -> tuple[str, ...]:
        """Return those of these units that run now."""

    def stop(self, units: Collection[str]) -> tuple[str, ...]:
        """Stop units, and return those that go on all the same.  Raises CommandError."""

    def start(self, units: Collection[str]) -> None:
        """Start units.  Raises ImpermanenceError that names those that failed."""


class Teller(Protocol):
    """Whoever shows what a job is at."""

    def step(self, words: str, size: Size | None = None) -> None:
        """Take a step, in words, with the size of what it goes through."""

    def at(self, progress: Progress) -> None:
        """Take how far the step is."""


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
    told: Teller
    cancelled: Callable[[], bool]

    def go_on(self) -> None:
        """Raise Cancelled if somebody has asked to stop."""
        if self.cancelled():
            raise Cancelled("stopped on the way")

    def real(self, path: bytes) -> bytes:
        """Return where a path of the system is for this process."""
        return self.root.rstrip(b"/") + path
