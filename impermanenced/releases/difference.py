"""What one release has and another has not."""

from __future__ import annotations

from dataclasses import dataclass

from ..drift import Drift
from ..errors import CommandError
from ..kernel import btrfs, openat2
from ..model import Difference, Volume
from ..volumes.lineage import baseline
from ..volumes.machine import Machine
from . import versions
from .listing import Place, place_of
from .promotion import opened
from .versions import Package


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of a release from another one."""

    paths: tuple[Difference, ...]  # sorted
    packages: tuple[Package, ...]
    note: str | None = None  # why nothing is known of packages


def between(machine: Machine, volume: Volume, before: Place, after: Place) -> Differences:
    """Return in what `after` differs from `before`."""
    paths = sorted(changes(machine, volume, before, after), key=lambda one: one.path)
    try:
        with opened(machine, before) as then, opened(machine, after) as now:
            packages = versions.differing(versions.installed(then), versions.installed(now))
    except CommandError as error:
        return Differences(tuple(paths), (), error.message)
    return Differences(tuple(paths), tuple(packages))


def changes(machine: Machine, volume: Volume, before: Place, after: Place) -> list[Difference]:
    """Return every name that differs, in no order."""
    if before.id == after.id:
        return []
    machine.sync()
    pair = volume._replace(subvolume=after.path, root_id=after.id, blank=before.path, blank_id=before.id)
    base = baseline(machine.subvolume(after.id), machine.subvolume(before.id), machine.subvolumes())
    return list(Drift(machine.top, pair, base).differences())


def packages_here(machine: Machine, volume: Volume) -> list[Package]:
    """Return the packages that the running system has otherwise than the blank.  Raises CommandError."""
    blank = place_of(machine, volume.blank or b"")
    if blank is None:
        return []
    with opened(machine, blank) as then, openat2.root(volume.mountpoint) as now:
        return versions.differing(versions.installed(then), versions.installed(now))


def written(machine: Machine, volume: Volume, place: Place, transid: int) -> list[bytes]:
    """Return what was written to a release after it was closed, as paths that exist, sorted.

    Something that was removed shows as its directory.
    """
    tree = btrfs.Tree(machine.top, place.id)
    changed = tree.changed(transid)
    found = set()
    for inode in changed.inodes:
        facts = tree.facts(inode)
        for directory, name in facts.names if facts is not None else ():
            found.add(volume.path.rstrip(b"/") + tree.path(directory) + b"/" + name)
        if inode == btrfs.BTRFS_FIRST_FREE_OBJECTID:
            found.add(volume.path)
    return sorted(found)
