"""Examinations of the releases: one that gave way, one that somebody wrote to, a record that
cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..boots.doctor import WARNING, Finding
from ..model import Volume
from ..text import to_text
from ..volumes.machine import Machine
from . import listing


def examine(machine: Machine) -> list[Finding]:
    """Return what is wrong with the releases of all volumes."""
    return [
        finding
        for volume in machine.volumes
        if volume.blank_id is not None
        for finding in _of_volume(machine, volume)
    ]


def _of_volume(machine: Machine, volume: Volume) -> Iterator[Finding]:
    releases = listing.read(machine, volume)
    obeyed = listing.obeyed_volume(machine, volume)
    current = releases.current
    failed = releases.with_uuid(None if obeyed is None else obeyed.blank_uuid)
    is_before = (
        obeyed is not None and current.release is not None and obeyed.before_uuid == current.release.uuid
    )
    if is_before and failed is not None and failed.number is not None:
        what = (
            f"release {failed.number} of volume {volume.name} is not the blank: it gave way to "
            f"release {current.number} after {listing.BAD_BOOTS} bad boots, or its promotion was cut"
        )
        commands = (
            f"impermanence blank diff {current.number} {failed.number}",
            f"impermanence blank revert {failed.number}",
        )
        yield Finding(WARNING, what, "see what it changed; to try it again all the same", commands=commands)
    if current.written:
        since = f"since release {current.number} was closed"
        what = f"somebody has written to the blank of volume {volume.name} {since}"
        yield Finding(WARNING, what, "see which paths", commands=("impermanence blank verify",))
    for fault in releases.broken:
        yield Finding(
            WARNING, f"a release is not known: {fault}", "the next change of the blank counts it anew"
        )
    for path in releases.strange:
        what = f"{to_text(path)} has the name of a release of volume {volume.name}, and is none"
        yield Finding(WARNING, what, "rename it: a release may want that name")
