"""The flags of an inode that chattr(1) sets (linux/fs.h).

Hard facts
    BTRFS takes FS_NOCOW_FL only for an empty file, refuses it together with FS_COMPR_FL, and gives a new file
    the flag that its directory has.
    A file with FS_IMMUTABLE_FL takes no new name, loses none, and keeps owner, mode, times and attributes.
"""

from __future__ import annotations

import errno
import fcntl
import struct

FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602

FS_COMPR_FL = 0x4
FS_SYNC_FL = 0x8
FS_IMMUTABLE_FL = 0x10
FS_APPEND_FL = 0x20
FS_NODUMP_FL = 0x40
FS_NOATIME_FL = 0x80
FS_DIRSYNC_FL = 0x10000
FS_VERITY_FL = 0x100000
FS_NOCOW_FL = 0x800000

LOCKED = FS_IMMUTABLE_FL | FS_APPEND_FL
# What a program has asked for; the kernel sets the others by itself.
ASKED = LOCKED | FS_COMPR_FL | FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL | FS_NOCOW_FL

_INT = struct.Struct("=i")  # the numbers above say long, and the kernel reads and writes an int
_NONE = (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def read(fd: int) -> int:
    """Return the flags of an open file or directory; 0 where the filesystem has none."""
    try:
        return int(_INT.unpack(fcntl.ioctl(fd, FS_IOC_GETFLAGS, _INT.pack(0)))[0])
    except OSError as error:
        if error.errno in _NONE:
            return 0
        raise


def write(fd: int, flags: int) -> None:
    """Replace the flags of an open file or directory."""
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, _INT.pack(flags))
