"""Layouts of the items in a tree, as in linux/btrfs_tree.h, all little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...lazy import NamedTuple

# linux/btrfs_tree.h
BTRFS_ROOT_TREE_OBJECTID = 1
BTRFS_FS_TREE_OBJECTID = 5
BTRFS_FIRST_FREE_OBJECTID = 256
BTRFS_LAST_FREE_OBJECTID = 2**64 - 256
BTRFS_INODE_ITEM_KEY = 1
BTRFS_INODE_REF_KEY = 12
BTRFS_INODE_EXTREF_KEY = 13
BTRFS_XATTR_ITEM_KEY = 24
BTRFS_DIR_ITEM_KEY = 84
BTRFS_DIR_INDEX_KEY = 96
BTRFS_EXTENT_DATA_KEY = 108
BTRFS_ROOT_ITEM_KEY = 132
BTRFS_ROOT_REF_KEY = 156
BTRFS_FT_DIR = 2
BTRFS_FILE_EXTENT_INLINE = 0
BTRFS_FILE_EXTENT_PREALLOC = 2

MAX_U64 = 2**64 - 1
HEADER = struct.Struct("<QQQII")  # transid, objectid, offset, type, len
INODE = struct.Struct("<5Q4I3Q32xqIqIqIqI")
INODE_SHORT = struct.Struct("<16xQQ8xI8xI")  # its size, nbytes, nlink, mode
DIR = struct.Struct("<QBQQHHB")  # location (objectid, type, offset), transid, data_len, name_len, type
HEADER_SHORT = struct.Struct("<8xQ8xII")  # its objectid, type, len
# objectid, type and len of the header, and what is 8 and 17 bytes into the item: the transid, if that is an
# INODE_ITEM, or a DIR_INDEX.  It reads up to 25 bytes behind a header.
SCANNED = struct.Struct("<8xQ8xII8xQxQ")
HEADER_LENGTH = struct.Struct("<16xQ4xI")  # its offset and len
HEADER_DIR = struct.Struct("<16xQIIQBQQHHB")  # offset, type and len of the header; the entry behind it
REF = struct.Struct("<QH")
EXTREF = struct.Struct("<QQH")
EXTENT = struct.Struct("<QQBBHB")
EXTENT_DISK = struct.Struct("<QQQQ")
DISK = struct.Struct("<QQ")  # the beginning of EXTENT_DISK: disk_bytenr, disk_num_bytes
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
_BLOCK = 64 << 10  # bytes of the largest blocks that data is rounded up to


class Inode(NamedTuple):
    """btrfs_inode_item."""

    generation: int
    transid: int
    size: int
    nbytes: int
    block_group: int
    nlink: int
    uid: int
    gid: int
    mode: int
    rdev: int
    flags: int
    sequence: int
    atime: int
    atime_nsec: int
    ctime: int
    ctime_nsec: int
    mtime: int
    mtime_nsec: int
    otime: int
    otime_nsec: int


class DirEntry(NamedTuple):
    """The target of a name in a directory: an inode of the same subvolume, or a subvolume."""

    objectid: int
    is_root: bool


class Extent(NamedTuple):
    """btrfs_file_extent_item: `start` and `length` are bytes of the file as it reads."""

    start: int
    length: int
    inline: bytes | None  # the stored bytes, compressed or not, with the kind of compression before
    disk_bytenr: int  # 0: a hole, or allocated and never written
    offset: int  # into the extent on disk


class Facts(NamedTuple):
    """The properties of an inode: its item, its hard links as (directory, name), its extended attributes."""

    inode: Inode
    names: list[tuple[int, bytes]]
    xattrs: dict[bytes, bytes]


class Weight(NamedTuple):
    """What the files weigh that came or changed after a transaction."""

    new: int  # bytes of those that came
    changed: dict[int, Inode]  # the others, which may have been read alone: their atime has changed then


class Changes(NamedTuple):
    """Everything that was added to a subvolume's tree after a transaction."""

    inodes: dict[int, Inode]  # changed or new
    names: dict[int, dict[bytes, DirEntry]]  # added to directories; for a new directory these are all
    targets: dict[int, bytes]  # of new symlinks


def held(size: int, nbytes: int) -> int:
    """Return the bytes that a file takes: its size, unless it is sparse, or has room beyond its end.

    As for st_blocks, data that is compressed or shared with another file counts in full.
    """
    return size if size <= nbytes < size + _BLOCK else nbytes


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC32C = _crc32c_table()


def name_hash(name: bytes) -> int:
    """Return the offset of a name's DIR_ITEM, as btrfs_name_hash() in fs/btrfs/ctree.h does."""
    crc = 0xFFFFFFFE
    for byte in name:
        crc = _CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def references(
    buffer: bytearray, kind: int, parent: int, where: int, length: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (directory, name) of each name in an INODE_REF or INODE_EXTREF item."""
    end = where + length
    while where < end:
        if kind == BTRFS_INODE_REF_KEY:
            _, size = REF.unpack_from(buffer, where)
            where += REF.size
        else:
            parent, _, size = EXTREF.unpack_from(buffer, where)
            where += EXTREF.size
        yield parent, bytes(buffer[where : where + size])
        where += size


def attributes(buffer: bytearray, where: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, value) of each attribute in an XATTR_ITEM; names whose hashes collide share one."""
    end = where + length
    while where < end:
        _, _, _, _, data_size, name_size, _ = DIR.unpack_from(buffer, where)
        where += DIR.size
        name = bytes(buffer[where : where + name_size])
        where += name_size
        yield name, bytes(buffer[where : where + data_size])
        where += data_size


def dir_entry(buffer: bytes | bytearray, where: int) -> tuple[bytes, DirEntry]:
    """Return the name and the target in the first entry of a DIR_ITEM or DIR_INDEX at this place."""
    objectid, kind, _, _, _, size, _ = DIR.unpack_from(buffer, where)
    where += DIR.size
    return bytes(buffer[where : where + size]), DirEntry(objectid, kind == BTRFS_ROOT_ITEM_KEY)
