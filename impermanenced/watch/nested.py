"""The volume that a nested subvolume belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable

import btrfsutil

_DEEPEST = 100  # subvolumes nested in each other, at most


class Nesting:
    """The volumes of subvolumes; it has its own descriptor of the top level, because another
    thread asks it.
    """

    def __init__(self, top_fd: int, root_ids: Iterable[int]) -> None:
        self._fd = os.dup(top_fd)
        self._root_ids = frozenset(root_ids)

    def __call__(self, root_id: int) -> int | None:
        """Return the id of the volume that holds this subvolume, or None if none does.

        Raises OSError if the subvolume is gone.
        """
        for _ in range(_DEEPEST):
            if root_id in self._root_ids:
                return root_id
            root_id = btrfsutil.subvolume_info(self._fd, root_id).parent_id
            if not root_id:
                return None
        return None

    def close(self) -> None:
        os.close(self._fd)
