"""Searches in the tree of one subvolume."""

from __future__ import annotations

import errno
import fcntl
import stat
import struct
from collections.abc import Iterator, Sequence

from ...errors import TooMany
from .items import (
    BTRFS_DIR_INDEX_KEY,
    BTRFS_DIR_ITEM_KEY,
    BTRFS_EXTENT_DATA_KEY,
    BTRFS_FILE_EXTENT_INLINE,
    BTRFS_FILE_EXTENT_PREALLOC,
    BTRFS_FIRST_FREE_OBJECTID,
    BTRFS_INODE_EXTREF_KEY,
    BTRFS_INODE_ITEM_KEY,
    BTRFS_INODE_REF_KEY,
    BTRFS_LAST_FREE_OBJECTID,
    BTRFS_ROOT_ITEM_KEY,
    BTRFS_ROOT_REF_KEY,
    BTRFS_ROOT_TREE_OBJECTID,
    BTRFS_XATTR_ITEM_KEY,
    DIR,
    DISK,
    EXTENT,
    EXTENT_DISK,
    EXTREF,
    HEADER,
    HEADER_DIR,
    HEADER_LENGTH,
    HEADER_SHORT,
    INODE,
    INODE_SHORT,
    MAX_U64,
    SCANNED,
    U32,
    U64,
    Changes,
    DirEntry,
    Extent,
    Facts,
    Inode,
    attributes,
    dir_entry,
    held,
    name_hash,
    references,
)
from .runs import runs

BTRFS_IOC_TREE_SEARCH_V2 = 0xC0709411  # linux/btrfs.h

_ARGS = struct.Struct("<7Q4I4QQ")  # btrfs_ioctl_search_args_v2 up to its buffer

_LARGEST_ITEM = (64 << 10) + HEADER.size  # no item is larger than the largest tree block
_SPARE = 32  # bytes at the end of a buffer that hold no item: what is read behind a small one
_SMALL = 128 << 10
_LARGE = 1 << 20

Key = tuple[int, int, int]  # objectid, type, offset


class Tree:
    """The tree of one subvolume, read through a descriptor anywhere on the filesystem.

    The caller keeps the descriptor.  Needs CAP_SYS_ADMIN; every method may raise OSError.
    """

    def __init__(self, fd: int, root_id: int) -> None:
        self.fd = fd
        self.root_id = root_id
        self._small = bytearray(_ARGS.size + _SMALL)

    def fill(self, buffer: bytearray, first: Key, last: Key, min_transid: int = 0) -> int:
        """Fill the buffer with the items between two keys, as far as it goes, and return how many
        these are.
        """
        objectid, kind, offset = first
        _ARGS.pack_into(
            buffer, 0,
            self.root_id, objectid, last[0], offset, last[2], min_transid, MAX_U64,
            kind, last[1], 0xFFFFFFFF, 0, 0, 0, 0, 0, len(buffer) - _ARGS.size - _SPARE,
        )  # fmt: skip
        try:
            fcntl.ioctl(self.fd, BTRFS_IOC_TREE_SEARCH_V2, buffer)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} (searching tree {self.root_id})") from error
        return int(U32.unpack_from(buffer, 64)[0])  # nr_items

    def _search(self, buffer: bytearray, first: Key, last: Key) -> Iterator[tuple[int, int, int, int]]:
        """Yield (type, offset, where in the buffer, length) of each item between two keys."""
        header = HEADER.unpack_from
        key: Key | None = first
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            for _ in range(count):
                _, objectid, offset, kind, length = header(buffer, where)
                where += HEADER.size
                yield kind, offset, where, length
                where += length
            key = go_on(buffer, where, (objectid, kind, offset), last)

    def _items(self, inode: int, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (type, offset, where, length) of an inode's items whose types lie between two types."""
        return self._search(self._small, (inode, first, 0), (inode, last, MAX_U64))

    def inode(self, inode: int) -> Inode | None:
        """Return the inode's item, or None if there is none."""
        for _, _, where, _ in self._items(inode, BTRFS_INODE_ITEM_KEY, BTRFS_INODE_ITEM_KEY):
            return Inode._make(INODE.unpack_from(self._small, where))
        return None

    def sizes(self, inodes: Sequence[int]) -> tuple[int, int]:
        """Return how many of these inodes still have a name, and the bytes that the files among them take.

        The inodes are in their order; those that follow each other closely cost one search together.
        """
        count = size = 0
        header, unpack = HEADER_SHORT.unpack_from, INODE_SHORT.unpack_from
        buffer = self._small
        for run in runs(inodes):
            wanted = frozenset(run)
            last = run[-1], BTRFS_INODE_ITEM_KEY, MAX_U64
            key: Key | None = (run[0], BTRFS_INODE_ITEM_KEY, 0)
            while key is not None and (items := self.fill(buffer, key, last)):
                where = _ARGS.size
                for _ in range(items):
                    objectid, kind, length = header(buffer, where)
                    where += 32  # HEADER.size
                    if kind == 1 and objectid in wanted:  # BTRFS_INODE_ITEM_KEY
                        bytes_, nbytes, nlink, mode = unpack(buffer, where)
                        if nlink:
                            count += 1
                            size += 0 if stat.S_ISDIR(mode) else held(bytes_, nbytes)
                    where += length
                offset = U64.unpack_from(buffer, where - length - 16)[0]  # of the last item's header
                key = go_on(buffer, where, (objectid, kind, offset), last)
        return count, size

    def facts(self, inode: int) -> Facts | None:
        """Return everything about an inode but its data, read in one search, or None if it does not exist."""
        buffer, item, unpack = self._small, None, HEADER.unpack_from
        names: list[tuple[int, bytes]] = []
        xattrs: dict[bytes, bytes] = {}
        last = inode, BTRFS_XATTR_ITEM_KEY, MAX_U64
        key: Key | None = (inode, BTRFS_INODE_ITEM_KEY, 0)
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            for _ in range(count):
                _, _, offset, kind, length = unpack(buffer, where)
                where += 32  # HEADER.size
                if kind == 1:  # BTRFS_INODE_ITEM_KEY
                    item = tuple.__new__(Inode, INODE.unpack_from(buffer, where))
                elif kind == 12 or kind == 13:  # BTRFS_INODE_REF_KEY, BTRFS_INODE_EXTREF_KEY
                    names += references(buffer, kind, offset, where, length)
                elif kind == 24:  # BTRFS_XATTR_ITEM_KEY
                    xattrs.update(attributes(buffer, where, length))
                where += length
            key = go_on(buffer, where, (inode, kind, offset), last)
        return Facts(item, names, xattrs) if item is not None else None

    def names(self, inode: int) -> list[tuple[int, bytes]]:
        """Return (directory, name) of each hard link."""
        return list(self.each_name(inode))

    def each_name(self, inode: int) -> Iterator[tuple[int, bytes]]:
        """Yield (directory, name) of each hard link: an inode may have 65,535, of which few are in memory."""
        buffer, unpack = self._small, HEADER.unpack_from
        last = inode, BTRFS_INODE_EXTREF_KEY, MAX_U64
        key: Key | None = (inode, BTRFS_INODE_REF_KEY, 0)
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            found: list[tuple[int, bytes]] = []
            for _ in range(count):
                _, _, offset, kind, length = unpack(buffer, where)
                where += 32  # HEADER.size
                found += references(buffer, kind, offset, where, length)
                where += length
            key = go_on(buffer, where, (inode, kind, offset), last)
            yield from found  # other searches may fill the buffer meanwhile

    def entries(self, directory: int, most: int = MAX_U64) -> dict[bytes, DirEntry]:
        """Return {name: entry} of a directory, in the order of their creation; where there are many more than
        `most`, only the first of them.
        """
        buffer, found, unpack = self._small, {}, HEADER_DIR.unpack_from
        make = tuple.__new__  # makes a DirEntry in half the time of DirEntry()
        last = directory, BTRFS_DIR_INDEX_KEY, MAX_U64
        key: Key | None = (directory, BTRFS_DIR_INDEX_KEY, 0)
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            for _ in range(count):
                offset, _, length, objectid, kind, _, _, _, size, _ = unpack(buffer, where)
                start = where + HEADER_DIR.size
                entry = make(DirEntry, (objectid, kind == BTRFS_ROOT_ITEM_KEY))
                found[bytes(buffer[start : start + size])] = entry
                where += HEADER.size + length
            if len(found) > most:
                break
            key = go_on(buffer, where, (directory, BTRFS_DIR_INDEX_KEY, offset), last)
        return found

    def listing(self, directory: int) -> set[bytes]:
        """Return the items of a directory's names as they are in the tree, which `dir_entry` reads.

        Those of two trees are equal if the names, what they lead to, and the transactions that made them are.
        """
        buffer, found, unpack = self._small, set(), HEADER_LENGTH.unpack_from
        last = directory, BTRFS_DIR_INDEX_KEY, MAX_U64
        key: Key | None = (directory, BTRFS_DIR_INDEX_KEY, 0)
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            for _ in range(count):
                offset, length = unpack(buffer, where)
                end = where + 32 + length  # HEADER.size
                found.add(bytes(buffer[where + 32 : end]))
                where = end
            key = go_on(buffer, where, (directory, BTRFS_DIR_INDEX_KEY, offset), last)
        return found

    def lookup(self, directory: int, name: bytes) -> DirEntry | None:
        """Return what one name in a directory points to, or None if there is no such name."""
        buffer, key = self._small, (directory, BTRFS_DIR_ITEM_KEY, name_hash(name))
        for _, _, where, length in self._search(buffer, key, key):
            end = where + length
            while where < end:  # names whose hashes collide share an item
                found, entry = dir_entry(buffer, where)
                if found == name:
                    return entry
                where += DIR.size + len(found) + DIR.unpack_from(buffer, where)[4]
        return None

    def target(self, inode: int) -> bytes:
        """Return where a symlink points to."""
        for _, _, where, length in self._items(inode, BTRFS_EXTENT_DATA_KEY, BTRFS_EXTENT_DATA_KEY):
            return bytes(self._small[where + EXTENT.size : where + length])
        return b""

    def extents(self, inode: int) -> Iterator[Extent]:
        """Yield the extents of a file in order.  Holes may be left out."""
        buffer = bytearray(_ARGS.size + _SMALL)
        bounds = (inode, BTRFS_EXTENT_DATA_KEY, 0), (inode, BTRFS_EXTENT_DATA_KEY, MAX_U64)
        for _, start, where, length in self._search(buffer, *bounds):
            _, ram_bytes, compression, _, _, kind = EXTENT.unpack_from(buffer, where)
            rest = where + EXTENT.size
            if kind == BTRFS_FILE_EXTENT_INLINE:
                inline = bytes([compression]) + bytes(buffer[rest : where + length])
                yield Extent(start, ram_bytes, inline, 0, 0)
                continue
            disk_bytenr, _, offset, num_bytes = EXTENT_DISK.unpack_from(buffer, rest)
            if kind == BTRFS_FILE_EXTENT_PREALLOC:
                disk_bytenr = 0
            yield Extent(start, num_bytes, None, disk_bytenr, offset)

    def changed(self, since: int, most: int | None = None) -> Changes:
        """Return what came after a transaction.  Raises TooMany where that is far more than `most` inodes, or
        names.

        The loop meets every item of every changed leaf: it is lean.  What is new lies in changed leaves
        as a whole, so one search meets all of it.  What was deleted has left nothing to be found here
        but the changed inode of its directory.
        """
        buffer = bytearray(_ARGS.size + _LARGE)
        changes = Changes({}, {}, {})
        inodes, names, targets = changes
        scanned, transid_at, unpack_inode = SCANNED.unpack_from, U64.unpack_from, INODE.unpack_from
        new_link, named = -1, 0
        last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
        key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
        while key is not None and (count := self.fill(buffer, key, last, since + 1)):
            where = _ARGS.size
            for _ in range(count):
                objectid, kind, length, inode_transid, name_transid = scanned(buffer, where)
                where += 32  # HEADER.size
                if kind == 1:  # BTRFS_INODE_ITEM_KEY
                    if inode_transid > since:
                        inode = tuple.__new__(Inode, unpack_inode(buffer, where))
                        inodes[objectid] = inode
                        if inode.generation > since and stat.S_ISLNK(inode.mode):
                            new_link = objectid
                elif kind == 96:  # BTRFS_DIR_INDEX_KEY
                    if name_transid > since:  # the entry's own transid
                        name, entry = dir_entry(buffer, where)
                        names.setdefault(objectid, {})[name] = entry
                        named += 1
                elif objectid == new_link and kind == BTRFS_EXTENT_DATA_KEY:
                    targets[objectid] = bytes(buffer[where + EXTENT.size : where + length])
                where += length
            offset = transid_at(buffer, where - length - 16)[0]  # of the last item's header
            key = go_on(buffer, where, (objectid, kind, offset), last)
            if most is not None and (len(inodes) > most or named > most):
                raise TooMany(f"more than {most} changed inodes")
        return changes

    def written(self, since: int) -> tuple[dict[int, int], int]:
        """Return what was written after a transaction: {address: bytes on the disk} of extents, and bytes in
        the tree.

        An extent counts whole, however little of it is still in use; a cloned one is as old as it was where
        it came from.
        """
        buffer = bytearray(_ARGS.size + _LARGE)
        extents: dict[int, int] = {}
        inline = 0
        header, generation_at, unpack_disk = HEADER_SHORT.unpack_from, U64.unpack_from, DISK.unpack_from
        last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
        key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
        while key is not None and (count := self.fill(buffer, key, last, since + 1)):
            where = _ARGS.size
            for _ in range(count):
                objectid, kind, length = header(buffer, where)
                where += 32  # HEADER.size
                if kind == 108 and generation_at(buffer, where)[0] > since:  # BTRFS_EXTENT_DATA_KEY
                    if buffer[where + 20] == BTRFS_FILE_EXTENT_INLINE:
                        inline += length - EXTENT.size
                    else:
                        address, size = unpack_disk(buffer, where + EXTENT.size)
                        if address:  # else a hole
                            extents[address] = size
                where += length
            offset = generation_at(buffer, where - length - 16)[0]  # of the last item's header
            key = go_on(buffer, where, (objectid, kind, offset), last)
        return extents, inline

    def subvolume_entries(self) -> list[tuple[int, bytes, int]]:
        """Return (directory, name, id) of each name of a subvolume in this tree, which is read as a whole.

        `nested` tells which of them are more than a stub.
        """
        buffer = bytearray(_ARGS.size + _LARGE)
        found = []
        header = HEADER_SHORT.unpack_from
        last = BTRFS_LAST_FREE_OBJECTID, 255, MAX_U64
        key: Key | None = (BTRFS_FIRST_FREE_OBJECTID, 0, 0)
        while key is not None and (count := self.fill(buffer, key, last)):
            where = _ARGS.size
            for _ in range(count):
                objectid, kind, length = header(buffer, where)
                where += 32  # HEADER.size
                if kind == 96 and buffer[where + 8] == BTRFS_ROOT_ITEM_KEY:  # BTRFS_DIR_INDEX_KEY
                    name, entry = dir_entry(buffer, where)
                    found.append((objectid, name, entry.objectid))
                where += length
            offset = U64.unpack_from(buffer, where - length - 16)[0]  # of the last item's header
            key = go_on(buffer, where, (objectid, kind, offset), last)
        return found

    def path(self, directory: int) -> bytes:
        """Return the path of a directory in this tree, with a slash before each name; its root is b"".

        Raises FileNotFoundError if it has been removed.
        """
        parts: list[bytes] = []
        while directory != BTRFS_FIRST_FREE_OBJECTID:
            if not (names := self.names(directory)):
                raise FileNotFoundError(errno.ENOENT, f"inode {directory} of tree {self.root_id} has no name")
            directory, name = names[0]
            parts.append(b"/" + name)
        return b"".join(reversed(parts))

    def nested(self) -> dict[int, tuple[int, bytes]]:
        """Return {subvolume id: (directory, name)} of the subvolumes directly below this one."""
        roots = Tree(self.fd, BTRFS_ROOT_TREE_OBJECTID)
        found = {}
        for _, child, where, length in roots._items(self.root_id, BTRFS_ROOT_REF_KEY, BTRFS_ROOT_REF_KEY):
            directory, _, size = EXTREF.unpack_from(roots._small, where)
            start = where + EXTREF.size
            found[child] = (directory, bytes(roots._small[start : min(start + size, where + length)]))
        return found


def buffer_of(size: int) -> tuple[bytearray, int]:
    """Return a buffer for so many bytes of items, and where the first item will be."""
    return bytearray(_ARGS.size + size), _ARGS.size


def go_on(buffer: bytearray, end: int, key: Key, last: Key) -> Key | None:
    """Return the key at which a search goes on after the item with this key, or None if it is complete.

    `end` is where that item ends in the buffer.  The kernel stops early only when an item does not fit any
    more.
    """
    if key >= last or len(buffer) - _SPARE - end > _LARGEST_ITEM:
        return None
    objectid, kind, offset = key
    if offset < MAX_U64:
        return objectid, kind, offset + 1
    if kind < 255:
        return objectid, kind + 1, 0
    return objectid + 1, 0, 0
