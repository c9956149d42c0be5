"""Where an old root will be booted: what it has too is no loss."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from ..boots import history
from ..boots.examine import BOOTED
from ..config.load import Config
from ..errors import ImpermanenceError
from ..model import LOSSES, Entry, Forecast, Verdict, Volume
from ..volumes.machine import Machine
from .covered import Covered, Has


def spare(
    entries: Sequence[Entry], config: Config, machine: Machine, volume: Volume, forecast: Forecast
) -> list[Entry]:
    """Return the entries of a volume, judged by the old root of it that the next boot starts from, if any."""
    if forecast.spared is not None or forecast.decision.action != BOOTED:
        return list(entries)
    path = _old_root(config, machine, volume, forecast.decision.boot)
    if path is None:
        return list(entries)
    side = os.open(machine.at(path), os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    rule = f"old root {forecast.decision.boot}, which the next boot starts from, has it too"
    try:
        with Covered(machine, volume) as covered:
            return [
                dataclasses.replace(entry, verdict=Verdict.REGENERATED, rule=rule, score=0, advice=())
                if entry.verdict in LOSSES and _has(covered, side, volume, entry)
                else entry
                for entry in entries
            ]
    finally:
        os.close(side)


def _has(covered: Covered, side: int, volume: Volume, entry: Entry) -> bool:
    inside = volume.inside(entry.difference.path)
    if entry.difference.subvolume is not None:  # what boots is a copy, which has no nested subvolumes
        return False
    return not entry.hidden and covered.has(side, inside, entry.difference) is Has.SAME


def _old_root(config: Config, machine: Machine, volume: Volume, number: int | None) -> bytes | None:
    """Return the path from the top level of the old root of a boot that is this volume's, or None."""
    try:
        found = history.read(machine, config.archive.directory, history.this_boot_id())
    except (ImpermanenceError, OSError):
        return None
    roots = history.old_roots_of(found, machine, volume)
    return next((root.path for boot, root in roots if boot.number == number), None)
