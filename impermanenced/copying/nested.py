"""Nested subvolumes: the copy of one is a snapshot of it, with those that are nested in it."""

from __future__ import annotations

import contextlib
import errno
import os

import btrfsutil

from ..kernel import btrfs, openat2
from ..kernel.btrfs import BTRFS_FIRST_FREE_OBJECTID, snapshots
from .descent import DIRECTORY

# Another filesystem, an old kernel, a caller without privileges, an active swap file.
CANNOT = (errno.EXDEV, errno.ENOTTY, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.ETXTBSY)


def snapshot(source: int, directory_fd: int, name: bytes) -> int:
    """Make a snapshot of an open subvolume and of all that are nested in it; return how many these are.

    Each is read-only if its source is.  Raises OSError, one of CANNOT where there can be no snapshot.
    """
    made: list[int] = []  # subvolumes that become read-only when all are there
    waiting = [(btrfsutil.subvolume_id(source), directory_fd, name)]
    opened: list[int] = []
    count = 0
    try:
        while waiting:
            number, at, called = waiting.pop()
            fd = _open(source, number, BTRFS_FIRST_FREE_OBJECTID)
            opened.append(fd)
            before = os.fstat(at)
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(called, dir_fd=at)  # the stub
            snapshots.snapshot(fd, at, called)
            if at != directory_fd:
                os.utime(at, ns=(before.st_atime_ns, before.st_mtime_ns))
            count += 1
            copy = openat2.open_entry(at, called, DIRECTORY)
            opened.append(copy)
            if btrfsutil.get_subvolume_read_only(fd):
                made.append(copy)
            copied = btrfsutil.subvolume_id(copy)
            for child, (directory, below) in btrfs.Tree(source, number).nested().items():
                inside = _open(copy, copied, directory)
                opened.append(inside)
                waiting.append((child, inside, below))
        for copy in reversed(made):
            btrfsutil.set_subvolume_read_only(copy, True)
    finally:
        for fd in opened:
            os.close(fd)
    return count


def _open(fd: int, number: int, inode: int) -> int:
    """Return a descriptor on a directory of a subvolume, by numbers."""
    item = btrfs.Tree(fd, number).inode(inode)
    if item is None:
        raise OSError(errno.ESTALE, "a nested subvolume is gone")
    return btrfs.open_inode(fd, number, inode, item.generation)
