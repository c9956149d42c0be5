"""How a volume and its blank descend from each other."""

from __future__ import annotations

from collections.abc import Mapping

from ..lazy import NamedTuple


class Subvolume(NamedTuple):
    """The origin of a subvolume: the fields of struct btrfs_root_item that a comparison needs."""

    id: int
    uuid: bytes
    parent_uuid: bytes
    otransid: int  # the transaction that made it
    ctransid: int  # the transaction that last changed anything in it
    generation: int = 0  # the transaction that last changed its tree in any way


def baseline(volume: Subvolume, blank: Subvolume, others: Mapping[bytes, Subvolume]) -> int | None:
    """Return the last transaction up to which volume and blank share everything, or None if there is none.

    `others` are the filesystem's subvolumes by UUID: the line of snapshots may lead over one of
    them, as when an old root that came from the blank was booted again.
    """
    lines: list[dict[bytes, int]] = []
    for start in (volume, blank):
        line: dict[bytes, int] = {}  # ancestor -> the oldest snapshot on the way to it
        oldest = 2**64 - 1
        subvolume: Subvolume | None = start
        while subvolume is not None and subvolume.uuid not in line:
            line[subvolume.uuid] = oldest
            oldest = min(oldest, subvolume.otransid)
            subvolume = others.get(subvolume.parent_uuid) if any(subvolume.parent_uuid) else None
        lines.append(line)
    for uuid, oldest in lines[0].items():
        if uuid in lines[1]:
            return min(oldest, lines[1][uuid])
    return None
