"""The work on steps, in either direction: each is recorded before it begins, and services stop meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ..kernel.holders import Holder
from ..system.services import Services
from ..volumes.machine import Machine
from . import job, users
from .job import Job
from .plan import Kind, Step
from .told import Told

Act = Callable[[Step], None]


class Work:
    """A job that is on its way; `machine` can be written to."""

    def __init__(self, machine: Machine, found: Job, told: Told) -> None:
        self.machine = machine
        self.job = found
        self.told = told
        self._services = Services()
        self.left: tuple[Holder, ...] = ()  # processes that go on in what was mounted over

    def run(self, steps: Sequence[Step], acts: Mapping[Kind, Act]) -> None:
        """Do all steps.  What was stopped is started again, however this ends."""
        try:
            for step in steps:
                self.told.step(step)
                if step.kind is not Kind.STATE:  # it makes the place of the record
                    self._note(step.kind)
                acts[step.kind](step)
                self.machine.sync()
        finally:
            if self.job.stopped:
                self.start()

    def _note(self, kind: Kind) -> None:
        if self.job.at is not kind:
            self.job = replace(self.job, at=kind)
            job.write(self.machine, self.job)

    def stop(self, paths: Collection[bytes]) -> None:
        """Stop the services that have something open below these paths."""
        found = users.users(paths)
        units = self._services.with_others(found.services)
        self.job = replace(self.job, stopped=tuple(dict.fromkeys((*self.job.stopped, *units))))
        job.write(self.machine, self.job)
        refused = self._services.stop(units)
        self.left = (*found.left, *(one for unit in refused for one in found.services.get(unit, ())))

    def start(self) -> None:
        """Start again what was stopped, with the mounts that there are now."""
        self._services.reload()
        self._services.start(self.job.stopped)
        self.job = replace(self.job, stopped=())
        job.write(self.machine, self.job)
