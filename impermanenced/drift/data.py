"""The comparison of two files of one size by their content.

The parts that they share on disk are not read; the others are read until the first difference.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..kernel import btrfs
from ..kernel.btrfs import Extent, Inode, Tree

_CHUNK = 1 << 20


def differs(fd: int, now: Tree, number: int, new: Inode, was: Tree, old_number: int, old: Inode) -> bool:
    """Return whether two regular files of equal size hold different bytes.  Raises OSError if one cannot be
    read.
    """
    apart = list(_apart(now.extents(number), was.extents(old_number), new.size))
    if not apart:
        return False
    with (
        _opened(fd, now.root_id, number, new.generation) as mine,
        _opened(fd, was.root_id, old_number, old.generation) as theirs,
    ):
        return any(_bytes_differ(mine, theirs, start, end) for start, end in apart)


@contextlib.contextmanager
def _opened(top_fd: int, root_id: int, inode: int, generation: int) -> Iterator[int]:
    fd = btrfs.open_inode(top_fd, root_id, inode, generation)
    try:
        yield fd
    finally:
        os.close(fd)


def _segments(extents: Iterator[Extent], size: int) -> Iterator[tuple[int, int, object]]:
    """Yield (start, end, what is there) without gaps from 0 to `size`; equal things hold equal bytes."""
    at = 0
    for extent in extents:
        if extent.start >= size:
            break
        if extent.start > at:
            yield at, extent.start, None
        end = min(extent.start + extent.length, size)
        what: object
        if extent.inline is not None:
            what = extent.inline
        elif extent.disk_bytenr:
            what = (extent.disk_bytenr, extent.offset - extent.start)
        else:
            what = None
        if end > extent.start:
            yield extent.start, end, what
        at = max(at, end)
    if at < size:
        yield at, size, None


def _apart(mine: Iterator[Extent], theirs: Iterator[Extent], size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each range that two files of one size do not share."""
    left, right = _segments(mine, size), _segments(theirs, size)
    one, two = next(left, None), next(right, None)
    while one is not None and two is not None:
        end = min(one[1], two[1])
        start = max(one[0], two[0])
        if one[2] != two[2] and end > start:
            yield start, end
        if one[1] == end:
            one = next(left, None)
        if two[1] == end:
            two = next(right, None)


def _bytes_differ(mine: int, theirs: int, start: int, end: int) -> bool:
    while start < end:
        wanted = min(_CHUNK, end - start)
        one, two = os.pread(mine, wanted, start), os.pread(theirs, wanted, start)
        if one != two:
            return True
        if not one:
            return False
        start += len(one)
    return False
