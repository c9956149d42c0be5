"""Examinations of the layout: mount units, stubs in a blank, and where the persist volumes lie.

The program of the initrd sees none of this: it belongs to the system that runs after it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from ..config.load import Config
from ..kernel import btrfs
from ..model import Volume
from ..system import mount_units
from ..text import first_of, to_text
from ..volumes import placement
from ..volumes.machine import Machine
from . import remedy
from .doctor import ERROR, WARNING, Finding, MountLine, mounted_by_number, roots

MOST = 5  # stubs that are named


def examine(config: Config, machine: Machine) -> list[Finding]:
    """Return what is wrong with the layout, the errors first."""
    misplaced = placement.misplaced(config.persist, machine.volumes)
    return [
        *(
            Finding(ERROR, one.words, one.hint, commands=remedy.persist_volume(machine.device, one.persist))
            for one in misplaced
        ),
        *mounted_by_number(machine, _mount_units(machine), "Options="),
        *_stubs(machine),
    ]


# Mount units


def _mount_units(machine: Machine) -> Iterator[MountLine]:
    for prefix, root in roots(machine):
        try:
            fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            units = list(mount_units.read(fd))
        finally:
            os.close(fd)
        for unit in units:
            yield MountLine(f"{prefix}{to_text(unit.file)}", unit.where, unit.fstype, unit.options)


# Stubs


def _stubs(machine: Machine) -> Iterator[Finding]:
    """Find what is left in a blank of the subvolumes that were nested when it was taken.

    Such a directory has inode 2, is empty, and cannot be written to; each boot gets it from the blank.
    """
    for volume in machine.volumes:
        paths = sorted(stubs(machine, volume))
        if not paths:
            continue
        blank = volume.blank or b""
        yield Finding(
            WARNING,
            f"blank {to_text(blank)} of volume {volume.name} has an empty place where a subvolume was nested "
            f"when it was taken: {first_of(paths, MOST)}. After each rollback nobody can write there",
            "remove each and make it again, with the blank writable for a moment",
            commands=remedy.in_blank(machine.device, blank, *(_anew(volume, path) for path in paths[:MOST])),
        )


def _anew(volume: Volume, path: bytes) -> str:
    inside = path.removeprefix(volume.path.rstrip(b"/"))
    place = shlex.quote(f"/mnt/{to_text((volume.blank or b'') + inside)}")
    return f"rmdir {place} && mkdir {place}"


def stubs(machine: Machine, volume: Volume) -> Iterator[bytes]:
    """Yield the paths of the stubs in a volume's blank, in the system that the volume belongs to.

    This reads the whole tree of the blank.
    """
    if volume.blank_id is None:
        return
    tree = btrfs.Tree(machine.top, volume.blank_id)
    real = tree.nested().keys()
    for directory, name, subvolume in tree.subvolume_entries():
        if subvolume not in real:
            yield volume.path.rstrip(b"/") + tree.path(directory) + b"/" + name
