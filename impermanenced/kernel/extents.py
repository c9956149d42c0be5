"""Where the content of a file lies on the disk, and how another file comes to share it.

Hard facts
    FICLONE shares all of a file in one step, holes included.  It takes files of one filesystem, in whatever
    subvolumes and mounts these are (Linux 5.19), and refuses two of which one has checksums and one has none.
    FS_IOC_FIEMAP gives the places of BTRFS as addresses of the whole filesystem.  A small file lies in the
    tree itself (inline), and what was not written yet has no place: both have to be read.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Iterator

from ..lazy import NamedTuple

FICLONE = 0x40049409  # linux/fs.h
FS_IOC_FIEMAP = 0xC020660B  # linux/fiemap.h
FIEMAP_FLAG_SYNC = 0x1
FIEMAP_EXTENT_LAST = 0x1
FIEMAP_EXTENT_UNKNOWN = 0x2
FIEMAP_EXTENT_DELALLOC = 0x4
FIEMAP_EXTENT_NOT_ALIGNED = 0x100
FIEMAP_EXTENT_DATA_INLINE = 0x200

_UNPLACED = (
    FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE
)
_HEAD = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQQQIIII")
_MOST = 256  # extents in an answer
_MAX_U64 = (1 << 64) - 1


class Extent(NamedTuple):
    """A part of a file; `placed` says whether its content is what lies at `physical`."""

    logical: int
    physical: int
    length: int
    placed: bool


def clone(source: int, target: int) -> None:
    """Make the target's content the source's by sharing it.  Raises OSError; EXDEV and EOPNOTSUPP mean that
    the two can share nothing.
    """
    fcntl.ioctl(target, FICLONE, source)


def extents(fd: int) -> Iterator[Extent]:
    """Yield the extents of a file in their order, after what waits to be written was written."""
    start = 0
    while True:
        buffer = bytearray(_HEAD.size + _MOST * _EXTENT.size)
        _HEAD.pack_into(buffer, 0, start, _MAX_U64 - start, FIEMAP_FLAG_SYNC, 0, _MOST, 0)
        fcntl.ioctl(fd, FS_IOC_FIEMAP, buffer)
        count = _HEAD.unpack_from(buffer)[3]
        for index in range(count):
            logical, physical, length, _, _, flags, *_ = _EXTENT.unpack_from(
                buffer, _HEAD.size + index * _EXTENT.size
            )
            yield Extent(logical, physical, length, not flags & _UNPLACED)
            if flags & FIEMAP_EXTENT_LAST:
                return
            start = logical + length
        if not count:
            return
