"""The protection of subvolumes: what is never deleted, whatever any record says."""

from __future__ import annotations

import os
from dataclasses import dataclass

import btrfsutil

from ...config.load import Config
from ...errors import NotSetUp
from ...kernel import btrfs, mounts
from ...lazy import regex
from ...paths import within
from ...state import STATE
from ...text import to_text
from ...volumes.machine import Machine
from ..old_roots import Archive, open_below

_SUBVOLID = regex(rb"(?:^|,)subvolid=([0-9]+)(?:,|$)")


@dataclass(frozen=True, slots=True)
class Protected:
    """The subvolumes and places that must stay."""

    ids: dict[int, str]  # ids of subvolumes, and what each is
    mountpoints: frozenset[bytes]  # paths from the top level where something is mounted

    def reason(self, path: bytes, tree: frozenset[int]) -> str | None:
        """Return why this subvolume may not go, or None; `tree` has its id and those of all nested in it."""
        for number in sorted(tree & self.ids.keys()):
            return self.ids[number]
        for mountpoint in sorted(self.mountpoints):
            if within(mountpoint, path):
                return f"something is mounted on {to_text(mountpoint)}"
        return None


def look(config: Config, machine: Machine, archive: Archive) -> Protected:
    """Return what is protected now, in every mount namespace."""
    ids = {btrfs.BTRFS_FS_TREE_OBJECTID: "it is the top level"}
    ids[int(btrfsutil.get_default_subvolume(machine.top))] = "it is the default subvolume"
    for volume in machine.volumes:
        ids[volume.root_id] = f"it is the volume {volume.name}"
        if volume.blank_id is not None:
            ids[volume.blank_id] = f"it is the blank of {volume.name}"
    rollback = archive.rollback()
    places = {STATE: "it is the state directory"}
    for recorded in rollback.volumes if rollback else ():
        places[recorded.subvolume] = f"it is the volume {recorded.name} of the initrd"
        if recorded.blank is not None:
            places[recorded.blank] = f"it is the blank of {recorded.name} in the initrd"
        if recorded.before is not None:
            places[recorded.before] = f"it takes over if the blank of {recorded.name} cannot boot"
    for path, words in places.items():
        if (number := _id_below(machine.top, path)) is not None:
            ids[number] = words
    for path in config.persist:
        if (number := _persist_id(machine, path)) is not None:
            ids[number] = f"it holds {to_text(path)}"
    mounted, mountpoints = _mounted(machine)
    return Protected({**dict.fromkeys(mounted, "it, or a subvolume in it, is mounted"), **ids}, mountpoints)


def _id_below(top: int, path: bytes) -> int | None:
    try:
        fd = open_below(top, path)
    except NotSetUp:
        return None
    try:
        return int(btrfsutil.subvolume_id(fd))
    finally:
        os.close(fd)


def _persist_id(machine: Machine, path: bytes) -> int | None:
    """Return the id of the subvolume that a path of the volumes' system is in, or None on another
    filesystem.
    """
    where = path
    for volume in machine.volumes:
        if volume.path == b"/" and volume.mountpoint != b"/":
            where = volume.mountpoint + path
    try:
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if btrfs.fs_info(fd)[0] == machine.filesystem:
            return int(btrfsutil.subvolume_id(fd))
    except OSError:  # another kind of filesystem
        pass
    finally:
        os.close(fd)
    return None


def _mounted(machine: Machine) -> tuple[set[int], frozenset[bytes]]:
    """Return the subvolumes that are mounted somewhere, and the places in the filesystem that are mounted
    over.
    """
    ids: set[int] = set()
    places: set[bytes] = set()
    device = None
    for table in mounts.namespaces():
        if device is None:  # the superblock has the same number in every namespace
            paths = {volume.mountpoint for volume in machine.volumes}
            device = next(mount.device for mount in reversed(table) if mount.path in paths)
        own = {mount.id: mount for mount in table if mount.device == device}
        for mount in own.values():
            if match := _SUBVOLID.search(mount.options):
                ids.add(int(match[1]))
        for mount in table:
            on = own.get(mount.parent)
            if on is not None and mount.path != on.path:
                places.add(on.root.strip(b"/") + b"/" + mount.path[len(on.path.rstrip(b"/")) + 1 :])
    return ids, frozenset(place.strip(b"/") for place in places)
