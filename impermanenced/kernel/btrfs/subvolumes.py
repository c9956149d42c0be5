"""Subvolumes as a whole: how they come from each other, and how much they hold."""

from __future__ import annotations

import stat

from ...lazy import NamedTuple
from .items import (
    BTRFS_FIRST_FREE_OBJECTID,
    BTRFS_FT_DIR,
    BTRFS_INODE_ITEM_KEY,
    BTRFS_LAST_FREE_OBJECTID,
    HEADER,
    HEADER_SHORT,
    INODE,
    INODE_SHORT,
    MAX_U64,
    U64,
    Inode,
    Weight,
    held,
)
from .tree import Key, Tree, buffer_of, go_on

# linux/btrfs_tree.h
BTRFS_ROOT_SUBVOL_RDONLY = 1 << 0
BTRFS_UUID_TREE_OBJECTID = 9
BTRFS_UUID_KEY_SUBVOL = 251


class Content(NamedTuple):
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


def weigh(tree: Tree, most: int) -> Content:
    """Return what a subvolume holds, looking at no more than about `most` items of its tree."""
    buffer, start = buffer_of(1 << 20)
    files = size = seen = 0
    last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
    key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
    while key is not None and (count := tree.fill(buffer, key, last)):
        if seen >= most:
            return Content(files, size, seen, whole=False)
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
    return Content(files, size, seen, whole=True)


def owners(tree: Tree, most: int) -> dict[int, int]:
    """Return {uid: an inode that belongs to it} of a subvolume; about `most` items are looked at."""
    buffer, start = buffer_of(1 << 20)
    found: dict[int, int] = {}
    last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
    key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
    while key is not None and most > 0 and (count := tree.fill(buffer, key, last)):
        most -= count
        where = start
        for _ in range(count):
            objectid, kind, length = HEADER_SHORT.unpack_from(buffer, where)
            where += HEADER.size
            if kind == BTRFS_INODE_ITEM_KEY:
                found.setdefault(Inode._make(INODE.unpack_from(buffer, where)).uid, objectid)
            where += length
        offset = U64.unpack_from(buffer, where - length - 16)[0]  # of the last item's header
        key = go_on(buffer, where, (objectid, kind, offset), last)
    return found


def weight(tree: Tree, since: int, most: int) -> Weight | None:
    """Return what the files weigh whose inodes came or changed after a transaction.

    None means that it is not known: there are more than about `most` items, or a directory that is older
    has a new name, and with it everything below it.
    """
    buffer, start = buffer_of(1 << 20)
    header, transid_at, unpack = HEADER_SHORT.unpack_from, U64.unpack_from, INODE.unpack_from
    new, changed = 0, {}
    made, named = set(), set()
    last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
    key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
    while key is not None and (count := tree.fill(buffer, key, last, since + 1)):
        where = start
        for _ in range(count):
            objectid, kind, length = header(buffer, where)
            where += 32  # HEADER.size
            if kind == 1:  # BTRFS_INODE_ITEM_KEY
                inode = Inode._make(unpack(buffer, where))
                if inode.generation > since and stat.S_ISDIR(inode.mode):
                    made.add(objectid)
                elif inode.generation > since:
                    new += held(inode.size, inode.nbytes)
                elif inode.transid > since and not stat.S_ISDIR(inode.mode):
                    changed[objectid] = inode
            elif (
                kind == 96  # BTRFS_DIR_INDEX_KEY
                and buffer[where + 29] == BTRFS_FT_DIR
                and buffer[where + 8] == 1  # BTRFS_INODE_ITEM_KEY: no subvolume
                and transid_at(buffer, where + 17)[0] > since
            ):
                named.add(transid_at(buffer, where)[0])
            where += length
        offset = transid_at(buffer, where - length - 16)[0]  # of the last item's header
        key = go_on(buffer, where, (objectid, kind, offset), last)
        if (most := most - count) < 0:
            return None
    return None if named - made else Weight(new, changed)
