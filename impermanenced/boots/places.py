"""The places that the switch needs, looked at before anything is written."""

from __future__ import annotations

import os
import stat

import btrfsutil

from ..errors import NotSetUp
from ..kernel import btrfs
from ..state import DIRECTORIES, STATE
from ..text import to_text
from ..volumes.machine import Machine
from . import remedy
from .records import RollbackEnv


def refuse_unfit(machine: Machine, rollback: RollbackEnv) -> None:
    """Raise NotSetUp for the first place that no switch could work with."""
    for volume in rollback.volumes:
        what = f"volume {volume.name} ({to_text(volume.subvolume)})"
        _refuse_links(machine, volume.subvolume, what)
        if btrfsutil.get_subvolume_read_only(machine.at(volume.subvolume)):
            hint = remedy.joined(remedy.set_read_only(machine.device, volume.subvolume, value=False))
            raise NotSetUp(f"{what} is a read-only subvolume: it cannot be put away", hint)
        _refuse_read_only(machine, os.path.dirname(volume.subvolume), f"what {what} lies in")
        if volume.blank is not None:
            _refuse_links(machine, volume.blank, f"the blank {to_text(volume.blank)}")
    for path in (rollback.archive, *DIRECTORIES):
        _refuse_links(machine, path, to_text(path))
        _refuse_no_directory(machine, path)
    _refuse_read_only(machine, rollback.archive, f"the archive {to_text(rollback.archive)}")
    _refuse_read_only(machine, STATE, to_text(STATE))


def _refuse_links(machine: Machine, path: bytes, what: str) -> None:
    parts = path.split(b"/")
    for end in range(1, len(parts) + 1):
        place = b"/".join(parts[:end])
        if os.path.islink(machine.at(place)):
            raise NotSetUp(
                f"{what}: {to_text(place)} is a symbolic link, which the initrd does not follow",
                "name the place itself, or put a directory there",
            )


def _refuse_no_directory(machine: Machine, path: bytes) -> None:
    place = machine.at(path)
    if os.path.lexists(place) and not stat.S_ISDIR(os.lstat(place).st_mode):
        raise NotSetUp(f"{to_text(path)} at the top level is not a directory", "move it away")


def _refuse_read_only(machine: Machine, path: bytes, what: str) -> None:
    """Raise NotSetUp if no name in a directory, or in the nearest one above that exists, can change."""
    while path and not os.path.isdir(machine.at(path)):
        path = os.path.dirname(path)
    number = btrfsutil.subvolume_id(machine.at(path))
    if btrfsutil.subvolume_info(machine.top, number).flags & btrfs.BTRFS_ROOT_SUBVOL_RDONLY:
        subvolume = os.fsencode(btrfsutil.subvolume_path(machine.top, number))
        hint = remedy.joined(remedy.set_read_only(machine.device, subvolume, value=False))
        raise NotSetUp(f"{what} lies in a read-only subvolume: no old root can be put away", hint)
