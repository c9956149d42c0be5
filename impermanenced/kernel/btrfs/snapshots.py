"""Making subvolumes by descriptor and name: libbtrfsutil makes them by path only.

Hard facts
    A snapshot has an empty directory with inode 2 (a stub) where a subvolume is nested in its source.  A stub
    can be removed like any empty directory; nothing can be made in it.
    Making a snapshot commits the running transaction.
"""

from __future__ import annotations

import fcntl
import struct

# linux/btrfs.h
BTRFS_IOC_SNAP_CREATE_V2 = 0x50009417
BTRFS_SUBVOL_NAME_MAX = 4039

STUB_INODE = 2  # linux/btrfs_tree.h: BTRFS_EMPTY_SUBVOL_DIR_OBJECTID

_ARGS = struct.Struct("=qQQ4Q")  # btrfs_ioctl_vol_args_v2 up to its name


def snapshot(source: int, directory_fd: int, name: bytes) -> None:
    """Make a writable snapshot of an open subvolume, under a name in a directory that is open for reading."""
    if not 0 < len(name) <= BTRFS_SUBVOL_NAME_MAX:
        raise ValueError("no name for a subvolume")
    args = bytearray(4096)
    _ARGS.pack_into(args, 0, source, 0, 0, 0, 0, 0, 0)
    args[_ARGS.size : _ARGS.size + len(name)] = name
    fcntl.ioctl(directory_fd, BTRFS_IOC_SNAP_CREATE_V2, args)
