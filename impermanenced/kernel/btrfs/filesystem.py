"""A filesystem as a whole, and its inodes by number."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from .. import libc
from .items import U64

# linux/btrfs.h
BTRFS_IOC_FS_INFO = 0x8400941F
BTRFS_IOC_DEV_INFO = 0xD000941E

FILEID_BTRFS_WITHOUT_PARENT = 0x4D  # linux/exportfs.h

_HANDLE = struct.Struct("<QQI")


def fs_info(fd: int) -> tuple[bytes, int]:
    """Return the UUID of the filesystem, 16 bytes, and its highest device id."""
    buffer = bytearray(1024)  # btrfs_ioctl_fs_info_args
    fcntl.ioctl(fd, BTRFS_IOC_FS_INFO, buffer)
    return bytes(buffer[16:32]), U64.unpack_from(buffer)[0]


def devices(fd: int) -> list[bytes]:
    """Return the paths of the filesystem's devices, as the kernel knows them."""
    found = []
    for devid in range(1, fs_info(fd)[1] + 1):
        buffer = bytearray(4096)  # btrfs_ioctl_dev_info_args
        U64.pack_into(buffer, 0, devid)
        try:
            fcntl.ioctl(fd, BTRFS_IOC_DEV_INFO, buffer)
        except OSError as error:
            if error.errno == errno.ENODEV:  # ids of removed devices are not used again
                continue
            raise
        if path := bytes(buffer[3072:]).partition(b"\0")[0]:
            found.append(path)
    return found


def open_inode(top_fd: int, root_id: int, inode: int, generation: int) -> int:
    """Return a read descriptor on an inode of any subvolume, by file handle: no path, so no race.

    Use it for regular files and directories only: a fifo would block.  ESTALE means that the inode is gone.
    """
    # O_NOATIME needs CAP_FOWNER for the file of another user.  The mount of the top level is noatime instead.
    handle = _HANDLE.pack(inode, root_id, generation & 0xFFFFFFFF)
    return libc.open_by_handle_at(top_fd, FILEID_BTRFS_WITHOUT_PARENT, handle, os.O_RDONLY)
