"""The leftovers of switches that were cut: new roots that nobody ever wrote to, and the plans to use them.

The hook deletes nothing: it archives such a root as N-unused-BOOTID.NAME, and the plan as boots/N.plan.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from ..errors import RecordError
from ..kernel import btrfs
from ..state import BootFile, boot_file, uuid_bytes
from ..volumes.machine import Machine
from . import records
from .records import BootRecord, RollbackEnv


def blanks(machine: Machine, rollback: RollbackEnv | None, known: Iterable[BootRecord]) -> frozenset[bytes]:
    """Return the UUIDs of all blanks that the machine, rollback.env or the record of a wipe names."""
    ids = {volume.blank_id for volume in machine.volumes if volume.blank_id is not None}
    named = [volume.blank_uuid for volume in rollback.volumes] if rollback else []
    for record in known:
        if record.action == "wiped":
            named += [volume.source_uuid for volume in record.volumes]
    raw = {uuid_bytes(name) for name in named if name is not None}
    return frozenset(raw | {machine.subvolume(number).uuid for number in ids})


def fault(machine: Machine, subvolume: int, blanks: frozenset[bytes]) -> str | None:
    """Return why a subvolume could hold what nothing else holds, or None if it is as it was made.

    Everything must have been committed: what is written in a transaction shows at its end.
    """
    found = machine.subvolume(subvolume)
    if found.generation != found.otransid:
        return "was written to"
    if any(found.parent_uuid):
        return None if found.parent_uuid in blanks else "is not a copy of a blank"
    if btrfs.Tree(machine.top, subvolume).entries(btrfs.BTRFS_FIRST_FREE_OBJECTID):
        return "is not empty"  # an empty subvolume can get its first files in the transaction that makes it
    return None


def new_roots(content: bytes | None, number: int) -> frozenset[bytes] | None:
    """Return the UUIDs of the new roots in a plan, or None if it cannot be understood or names none."""
    with contextlib.suppress(RecordError):
        plan = records.parse_record(content or b"", boot_file(number, BootFile.PLAN))
        named = [volume.uuid for volume in plan.volumes]
        if named and None not in named:
            return frozenset(uuid_bytes(name) for name in named if name is not None)
    return None


def idle_plans(
    plans: Mapping[int, frozenset[bytes]], there: Iterable[bytes], known: Iterable[BootRecord]
) -> list[int]:
    """Return the numbers of the plans whose new roots are gone and never booted.

    `plans` are {number: UUIDs of its new roots}, and `there` the UUIDs of the subvolumes that stay.
    """
    booted = [volume.uuid for record in known for volume in record.volumes if volume.uuid is not None]
    needed = {*there, *(uuid_bytes(name) for name in booted)}
    return sorted(number for number, roots in plans.items() if not roots & needed)
