"""Subvolumes as a whole: how they come from each other, and how much they hold."""

from __future__ import annotations

import stat
from typing import NamedTuple

from .items import (
    BTRFS_FIRST_FREE_OBJECTID,
    BTRFS_INODE_ITEM_KEY,
    BTRFS_LAST_FREE_OBJECTID,
    HEADER,
    HEADER_SHORT,
    INODE_SHORT,
    MAX_U64,
    U64,
    held,
)
from .tree import Key, Tree, buffer_of, go_on

# linux/btrfs_tree.h
BTRFS_UUID_TREE_OBJECTID = 9
BTRFS_UUID_KEY_SUBVOL = 251


class Weight(NamedTuple):
    """What a subvolume holds, without those nested in it."""

    files: int
    size: int  # bytes that they take on the disk
    items: int  # how many items of its tree were looked at
    whole: bool  # whether these were all


def by_uuid(fd: int, uuid: bytes) -> int | None:
    """Return the id of the subvolume with this UUID of 16 bytes, or None if there is none."""
    key = U64.unpack_from(uuid, 0)[0], BTRFS_UUID_KEY_SUBVOL, U64.unpack_from(uuid, 8)[0]
    buffer, start = buffer_of(4096)
    if not Tree(fd, BTRFS_UUID_TREE_OBJECTID).fill(buffer, key, key):
        return None
    return int(U64.unpack_from(buffer, start + HEADER.size)[0])


def weigh(tree: Tree, most: int) -> Weight:
    """Return what a subvolume holds, looking at no more than about `most` items of its tree."""
    buffer, start = buffer_of(1 << 20)
    files = size = seen = 0
    last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
    key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
    while key is not None and (count := tree.fill(buffer, key, last)):
        if seen >= most:
            return Weight(files, size, seen, whole=False)
        seen += count
        where = start
        for _ in range(count):
            objectid, kind, length = HEADER_SHORT.unpack_from(buffer, where)
            where += HEADER.size
            if kind == BTRFS_INODE_ITEM_KEY:
                bytes_, nbytes, nlink, mode = INODE_SHORT.unpack_from(buffer, where)
                if nlink and not stat.S_ISDIR(mode):
                    files += 1
                    size += held(bytes_, nbytes)
            where += length
        offset = U64.unpack_from(buffer, where - length - 16)[0]  # of the last item's header
        key = go_on(buffer, where, (objectid, kind, offset), last)
    return Weight(files, size, seen, whole=True)
