"""What a volume was made from: between an update of the blank and the next boot another release than the
blank.

What runs is compared with what it began as; whether the next boot takes a difference away is another
question, which the blank answers.
"""

from __future__ import annotations

import os

import btrfsutil

from ..kernel import btrfs
from ..model import Volume
from .machine import Machine


def started_from(machine: Machine, volume: Volume) -> Volume:
    """Return the volume with the release of its blank that it is a snapshot of.

    That is a subvolume with the name of the blank, or the blank's name, an @ and more; for any other one the
    volume comes back as it is.
    """
    if volume.blank is None or volume.blank_id is None:
        return volume
    parent = machine.subvolume(volume.root_id).parent_uuid
    number = btrfs.by_uuid(machine.top, parent) if any(parent) else None
    if number is None:
        return volume
    try:
        path = os.fsencode(btrfsutil.subvolume_path(machine.top, number))
    except btrfsutil.BtrfsUtilError:  # it has gone meanwhile
        return volume
    if path == volume.blank or path.startswith(volume.blank + b"@"):
        return volume._replace(blank=path, blank_id=number)
    return volume
