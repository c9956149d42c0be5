"""Where something else boots than what runs was made from (an old root, a new release): what that has too is
no loss.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..boots import history
from ..boots.examine import BOOTED, WIPED
from ..config.load import Config
from ..errors import ImpermanenceError
from ..model import LOSSES, Entry, Forecast, Verdict, Volume
from ..volumes.machine import Machine
from ..volumes.started import started_from
from .covered import Covered, Has


def spare(
    entries: Sequence[Entry], config: Config, machine: Machine, volume: Volume, forecast: Forecast
) -> list[Entry]:
    """Return the entries of a volume, judged by the old root or the release that the next boot
    starts from.
    """
    source = _source(config, machine, volume, forecast)
    if source is None:
        return list(entries)
    path, rule = source
    side = os.open(machine.at(path), os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with Covered(machine, volume) as covered:
            return [
                entry._replace(verdict=Verdict.REGENERATED, rule=rule, score=0, advice=())
                if entry.verdict in LOSSES and _has(covered, side, volume, entry)
                else entry
                for entry in entries
            ]
    finally:
        os.close(side)


def _source(config: Config, machine: Machine, volume: Volume, forecast: Forecast) -> tuple[bytes, str] | None:
    """Return what the next boot makes a volume from, if that is not what it was compared with, and the words
    for what it has.
    """
    if forecast.spared is not None:
        return None
    if forecast.decision.action == BOOTED:
        number = forecast.decision.boot
        path = _old_root(config, machine, volume, number)
        rule = f"old root {number}, which the next boot starts from, has it too"
        return None if path is None else (path, rule)
    if forecast.decision.action != WIPED or volume.blank is None:
        return None
    if started_from(machine, volume).blank == volume.blank:
        return None
    return volume.blank, "the release of the blank that comes with the next boot has it too"


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
