"""The log that QEMU's `blklogwrites` keeps of a disk: every write and flush, in the order of completion.

Its format is that of Linux' dm-log-writes (drivers/md/dm-log-writes.c): a super block of one sector, then for
each entry a sector with its head and, for a write, the data.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = 0x6A736677736872
SUPER = struct.Struct("<QQQI")  # magic, version, number of entries, size of a sector
ENTRY = struct.Struct("<QQQQ")  # sector, number of sectors, flags, length of a mark
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
BLOCK = 4096  # what a disk writes whole or not at all


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


def epochs(log: Path) -> Iterator[list[Write]]:
    """The blocks written between two flushes, for each flush; what follows the last one is left out.

    The flush waits for the writes before it, so a power cut leaves all earlier epochs and, of the writes of
    the epoch it falls into, any, or a part of any.
    """
    with open(log, "rb") as stream:
        magic, version, entries, size = SUPER.unpack(stream.read(SUPER.size))
        assert (magic, version) == (MAGIC, 1), "not a log of writes"
        stream.seek(size)
        epoch: list[Write] = []
        for _ in range(entries):
            sector, sectors, flags, _length = ENTRY.unpack(stream.read(ENTRY.size))
            stream.seek(size - ENTRY.size, os.SEEK_CUR)
            assert not flags & (FUA | MARK), "virtio has no FUA, and nobody made a mark"
            if flags & FLUSH:
                yield epoch
                epoch = []
            elif not flags & DISCARD:
                data = stream.read(sectors * size)
                starts = range(0, len(data), BLOCK)
                epoch += [Write(sector * size + start, data[start : start + BLOCK]) for start in starts]
            # What a discarded place holds is not to be read again, so what was there may stay.


def apply(image: Path, writes: list[Write]) -> None:
    with open(image, "r+b") as stream:
        for write in writes:
            stream.seek(write.offset)
            stream.write(write.data)
