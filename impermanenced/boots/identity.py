"""The identity of the filesystem that the hook finds again, and of the system that its record is about."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable

from ..errors import NotSetUp
from ..kernel import btrfs
from ..kernel.btrfs import superblock
from ..kernel.btrfs.superblock import Superblock
from ..model import Volume
from ..state import ROLLBACK, uuid_text
from ..text import to_text
from ..volumes.machine import Machine
from .records import RollbackEnv


def filesystem_uuid(machine: Machine) -> str:
    """Return the UUID that the hook finds the filesystem by: the one on the device, not the kernel's.

    Raises NotSetUp if another device answers to it as well, or if the filesystem grew on a seed device.
    """
    members = list(_members(machine))
    if not members:
        raise NotSetUp(f"{to_text(machine.device)}: its superblock cannot be read", "is /dev complete?")
    _refuse_seeds(members)
    fsid = members[0].fsid
    _refuse_copies(fsid, [one for one in superblock.read_all() if one.fsid == fsid])
    return uuid_text(fsid)


def _members(machine: Machine) -> Iterable[Superblock]:
    """Yield the superblocks of the filesystem's own devices, seeds among them."""
    for device in dict.fromkeys([machine.device, *btrfs.devices(machine.top)]):
        with contextlib.suppress(FileNotFoundError):  # the kernel's name for a device need not exist here
            if (found := superblock.read(device)) is not None:
                yield found


def _refuse_seeds(members: list[Superblock]) -> None:
    for seed in (one for one in members if one.seeding):
        path = to_text(seed.path)
        if all(one.seeding for one in members):
            raise NotSetUp(
                f"{path} is a seed device: nothing on it can be rolled back",
                f"use it as an ordinary filesystem: umount it, and btrfstune -S 0 {path}",
            )
        raise NotSetUp(
            f"the filesystem grew on the seed device {path}, which others may share: it is not rolled back",
            f"move everything off the seed: btrfs device remove {path} /",
        )


def _refuse_copies(fsid: bytes, found: list[Superblock]) -> None:
    for one, other in itertools.combinations(found, 2):
        if one.devid == other.devid and one.number != other.number:
            raise NotSetUp(
                f"{to_text(one.path)} and {to_text(other.path)} both answer to the UUID "
                f"{uuid_text(fsid)}: one is a copy of the other",
                "detach the copy, or give it a UUID of its own: umount it, and btrfstune -m DEVICE",
            )


def refuse_other_system(machine: Machine, before: RollbackEnv) -> None:
    """Raise NotSetUp if the record is about another system in the same filesystem.

    The state directory has room for one system.  The record is another's if it has a volume that is not one
    of ours and still exists, and does not have the root (or, without one, any volume) of this system.
    """
    ours = {volume.subvolume for volume in machine.volumes}
    recorded = [volume.subvolume for volume in before.volumes]
    theirs = [path for path in recorded if path not in ours and machine.is_subvolume(path)]
    roots = _roots(machine.volumes)
    if not theirs or any(root.subvolume in recorded for root in roots):
        return
    runs = ", ".join(to_text(root.subvolume) for root in roots)
    device, record = to_text(machine.device), to_text(ROLLBACK)
    raise NotSetUp(
        f"{record} is about another system in this filesystem: it rolls back {to_text(theirs[0])}, "
        f"and this one is {runs}",
        "one filesystem rolls back one system; if the other one is given up: "
        f"mount -o subvolid=5 {device} /mnt && rm /mnt/{record}",
    )


def _roots(volumes: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """Return what tells this system from others: its root, or all volumes if the root is none."""
    return tuple(volume for volume in volumes if volume.path == b"/") or volumes
