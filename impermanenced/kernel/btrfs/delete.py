"""Changing subvolumes: what libbtrfsutil can only do by path, done by number.

Hard facts
    The number of a subvolume is given once and never again while the filesystem lives, so a deletion by
    number cannot meet another subvolume, whatever is renamed at the same time.
    The kernel refuses the default subvolume (EPERM), one with another nested in it (ENOTEMPTY),
    one that is being sent or has an active swap file (EPERM).  It does not refuse a mounted one.
    To delete by number, the kernel builds the path from the top level: ENAMETOOLONG beyond PATH_MAX.
    Nothing can be unlinked in a read-only subvolume (EROFS), a nested subvolume neither.
    A deletion is on the disk with the next commit; a crash before that brings the subvolume back.
    The space comes back when the cleaner has been through the deleted tree.
"""

from __future__ import annotations

import fcntl
import struct

# linux/btrfs.h
BTRFS_IOC_SNAP_DESTROY = 0x5000940F
BTRFS_IOC_SNAP_DESTROY_V2 = 0x5000943F
BTRFS_SUBVOL_SPEC_BY_ID = 1 << 4

_FLAGS, _SUBVOLID = 16, 56  # offsets in btrfs_ioctl_vol_args_v2
_U64 = struct.Struct("=Q")


def snap_destroy(fd: int, subvolid: int) -> None:
    """Delete a subvolume, through a descriptor anywhere on the filesystem.  Needs CAP_SYS_ADMIN."""
    args = bytearray(4096)
    _U64.pack_into(args, _FLAGS, BTRFS_SUBVOL_SPEC_BY_ID)
    _U64.pack_into(args, _SUBVOLID, subvolid)
    fcntl.ioctl(fd, BTRFS_IOC_SNAP_DESTROY_V2, args)


def snap_destroy_name(directory_fd: int, name: bytes) -> None:
    """Delete the subvolume with this name in a directory, which is open for reading."""
    args = bytearray(4096)  # btrfs_ioctl_vol_args: an fd, and the name
    args[8 : 8 + len(name)] = name
    fcntl.ioctl(directory_fd, BTRFS_IOC_SNAP_DESTROY, args)
