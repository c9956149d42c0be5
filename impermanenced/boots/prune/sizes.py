"""The size of old roots: how much each holds.

Without quotas BTRFS does not know which extents belong to one subvolume alone; finding out means asking for
the owners of every extent.  But an old root began as a snapshot: all that it shares with its blank is older
than the snapshot, and everything else in it was written later.  So the bytes of an old root are

    the extents in it, and in the subvolumes nested in it, that were written after it was made: what they
    take on the disk, each extent once and whole, and the files that are small enough to lie in the tree;

and an extent that several old roots share, since one was booted again, counts for one of them.  An old root
that was booted again began with what its source had written: that counts as well.  The trees themselves do
not count.  Data that was cloned (`cp --reflink`) between an old root and a place outside the archive since
the old root was made counts, although deleting the old root does not free it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from ...kernel import btrfs
from ...volumes.machine import Machine
from ..old_roots import Found, OldRoot


@dataclass(frozen=True, slots=True)
class _Content:
    addresses: array[int]
    lengths: array[int]
    inline: int


_NOTHING = _Content(array("Q"), array("Q"), 0)


class Sizes:
    """The sizes of old roots; these do not change, so each is read once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._content: dict[tuple[int, int], _Content] = {}
        self.faults: dict[int, str] = {}  # by id of an old root, why it could not be measured

    def of(self, found: Found, order: Iterable[OldRoot]) -> dict[int, int]:
        """Return {id of an old root: bytes that none before it in this order has}.

        `found` says how they were made.  One that cannot be read counts with 0, and `faults` says why.
        """
        origins = self._origins(found)
        blanks = self._blanks()
        seen: set[int] = set()
        sizes = {}
        for root in order:
            try:
                content = self._read(root.id, _since(root.uuid, origins, blanks))
            except OSError as error:
                self.faults[root.id] = f"it cannot be measured: {error.strerror}"
                content = _NOTHING
            sizes[root.id] = content.inline + sum(
                length
                for address, length in zip(content.addresses, content.lengths, strict=True)
                if address not in seen
            )
            seen.update(content.addresses)
        return sizes

    def _read(self, number: int, since: int) -> _Content:
        content = self._content.get((number, since))
        if content is None:
            extents: dict[int, int] = {}
            inline = 0
            for tree in sorted({number} | self._machine.nested(number)):
                written, small = btrfs.Tree(self._machine.top, tree).written(since)
                extents |= written
                inline += small
            content = _Content(array("Q", extents.keys()), array("Q", extents.values()), inline)
            self._content[number, since] = content
        return content

    def _origins(self, found: Found) -> dict[bytes, tuple[int, bytes]]:
        """Return {UUID: (last transaction of what it began with, UUID of what it was made from)} of all
        roots.
        """
        origins = {}
        for record in found.records.values():
            for volume in record.volumes:
                if volume.uuid is not None and volume.generation is not None:
                    began = _began(volume.generation, empty=volume.source == b"")
                    origins[_raw(volume.uuid)] = began, _raw(volume.source_uuid)
        for root in found.roots:
            subvolume = self._machine.subvolume(root.id)
            began = _began(subvolume.otransid, empty=not any(subvolume.parent_uuid))
            origins[root.uuid] = began, subvolume.parent_uuid
        return origins

    def _blanks(self) -> dict[bytes, int]:
        """Return {UUID of what a blank was made from: when}, for a first root that the blank is a snapshot
        of.
        """
        ids = {volume.blank_id for volume in self._machine.volumes if volume.blank_id is not None}
        blanks = [self._machine.subvolume(number) for number in ids]
        return {blank.parent_uuid: blank.otransid for blank in blanks if any(blank.parent_uuid)}


def _raw(uuid: str | None) -> bytes:
    return bytes.fromhex(uuid.replace("-", "")) if uuid else bytes(16)


def _began(generation: int, *, empty: bool) -> int:
    # A snapshot ends a transaction, but an empty subvolume may get its first files in the same one.
    return generation - empty


def _since(uuid: bytes, origins: dict[bytes, tuple[int, bytes]], blanks: dict[bytes, int]) -> int:
    """Return the last transaction of what a root had from its blank, directly or over the root it was made
    from.
    """
    since = btrfs.MAX_U64 - 1
    seen: set[bytes] = set()
    while uuid not in seen:
        if uuid in blanks:
            return min(since, blanks[uuid])
        if uuid not in origins:
            break
        seen.add(uuid)
        began, uuid = origins[uuid]
        since = min(since, began)
    return since
