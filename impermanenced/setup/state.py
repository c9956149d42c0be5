"""Whether a machine is set up already."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots import examine
from ..config.load import VolumeSettings
from ..errors import NotSetUp
from ..volumes.machine import Machine
from . import job


def is_converted(volumes: Sequence[VolumeSettings]) -> bool:
    """Return whether a record tells the hook to roll back, or each volume has what it is rolled back to, and
    no set-up was cut on its way.

    A machine that has no such volume is not.  Raises NotPermitted and RecordError.
    """
    try:
        with Machine(volumes, writable=False) as machine, job.told():
            if job.unfinished(machine) is not None:
                return False
            if examine.is_set_up(machine):
                return True
            pairs = zip(volumes, machine.volumes, strict=True)
            return all(one.blank is not None or found.blank is not None for one, found in pairs)
    except NotSetUp:
        return False
