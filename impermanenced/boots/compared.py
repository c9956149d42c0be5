"""What two moments differ in, volume by volume."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ..config.load import Config
from ..drift.between import Between, Comparison
from ..errors import NotSetUp, UsageError
from ..lazy import NamedTuple
from ..model import Volume
from ..volumes.machine import Machine
from . import history
from .history import History
from .moments import Moment, Root, find, opened


class Compared(NamedTuple):
    """What one volume's trees differ in at two moments."""

    volume: Volume
    was: Root | None  # None: the volume has no blank, and nothing was there
    now: Root
    was_fd: int | None  # of its topmost directory, until the next one is asked for
    now_fd: int
    comparison: Comparison


class Moments(NamedTuple):
    """The two moments that are compared, the earlier one first."""

    was: Moment
    now: Moment


def history_of(config: Config, machine: Machine) -> History | None:
    """Return the boots, or None on a machine that has none yet."""
    with contextlib.suppress(NotSetUp):
        return history.read(machine, config.archive.directory, history.this_boot_id())
    return None


def moments(config: Config, machine: Machine, was: str, now: str) -> Moments:
    """Return the moments that two words mean (`moments.find`)."""
    boots = history_of(config, machine)
    return Moments(find(was, boots, machine), find(now, boots, machine))


def compare(
    machine: Machine, between: Moments, watch: Callable[[Between], object] = lambda between: None
) -> Iterator[Compared]:
    """Yield what each volume differs in that was there at the later moment.

    `watch` is given each comparison before it begins.  Raises UsageError where the later moment has no tree
    at all, ImpermanenceError for what is being pruned, and OSError for what cannot be read.
    """
    if not between.now.roots:
        raise UsageError(f"{between.now.name}: no volume has one", "compare the other way round")
    machine.sync()
    for volume in machine.volumes:
        now, was = between.now.roots.get(volume.name), between.was.roots.get(volume.name)
        if now is None or (was is None and between.was.boot is not None):
            continue  # it had no volume of this name
        with contextlib.ExitStack() as stack:
            was_fd = None if was is None else stack.enter_context(opened(was, machine))
            now_fd = stack.enter_context(opened(now, machine))
            found = Between(machine, volume, now.id, None if was is None else was.id)
            watch(found)
            yield Compared(volume, was, now, was_fd, now_fd, found.run())
