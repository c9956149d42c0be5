"""The volume that a nested subvolume belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable

import btrfsutil

_REMEMBERED = 10_000  # subvolumes whose volume is remembered


class Nesting:
    """The volumes of subvolumes; it has its own descriptor of the top level, because another
    thread asks it.
    """

    def __init__(self, top_fd: int, root_ids: Iterable[int]) -> None:
        self._fd = os.dup(top_fd)
        self._known: dict[int, int] = {number: number for number in root_ids}
        self._volumes = frozenset(self._known)

    def __call__(self, root_id: int) -> int | None:
        """Return the id of the volume that holds this subvolume, or None if none does.

        Raises OSError if the subvolume is gone.
        """
        chain: dict[int, None] = {}
        # A user may nest as many as he likes, so the way up is walked once.  One that is moved meanwhile may
        # be met twice.
        while root_id and root_id not in self._known and root_id not in chain:
            chain[root_id] = None
            root_id = btrfsutil.subvolume_info(self._fd, root_id).parent_id
        volume = self._known.get(root_id)
        if volume is not None:  # one that no volume has now may be moved into one
            if len(self._known) > _REMEMBERED:
                self._known = {number: number for number in self._volumes}
            self._known.update(dict.fromkeys(chain, volume))
        return volume

    def close(self) -> None:
        os.close(self._fd)
