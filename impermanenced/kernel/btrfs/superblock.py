"""Superblocks of block devices, which are read from the devices themselves.

Hard facts
    A copy of a filesystem (dd, a hardware snapshot) that is mounted beside the original has a temporary UUID
    (Linux 6.7 and later): all ioctls and /sys name that one, and the next mount has another.  The superblock
    on the device keeps the UUID that the copy shares with the original.
    Devices of one filesystem share the UUID, and each has a number of its own (devid) in it.
    A seed device has a UUID of its own, and stays read-only below the filesystem that grew on it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterator

from ...lazy import NamedTuple

# struct btrfs_super_block of linux/btrfs_tree.h
BTRFS_SUPER_INFO_OFFSET = 65536
BTRFS_SUPER_INFO_SIZE = 4096
BTRFS_MAGIC = b"_BHRfS_M"
BTRFS_SUPER_FLAG_SEEDING = 1 << 32

_HEAD = struct.Struct("<32x16sQQ8s")  # fsid, bytenr, flags, magic
_DEV_ITEM = struct.Struct("<201xQ")  # its devid

_BLOCKS = b"/sys/class/block"
# A drive without a disk answers late, and nobody keeps a root on the others.
_NOT_LOOKED_AT = (b"sr", b"fd", b"ram", b"zram")


class Superblock(NamedTuple):
    """The superblock of one device."""

    path: bytes
    number: int  # st_rdev of the device
    fsid: bytes  # 16 bytes
    devid: int
    seeding: bool


def read(path: bytes) -> Superblock | None:
    """Return the superblock of a block device, or None if there is no BTRFS on it.  Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        content = os.pread(fd, BTRFS_SUPER_INFO_SIZE, BTRFS_SUPER_INFO_OFFSET)
    finally:
        os.close(fd)
    if len(content) != BTRFS_SUPER_INFO_SIZE or not stat.S_ISBLK(status.st_mode):
        return None
    fsid, _, flags, magic = _HEAD.unpack_from(content)
    if magic != BTRFS_MAGIC:
        return None
    (devid,) = _DEV_ITEM.unpack_from(content)
    return Superblock(path, status.st_rdev, fsid, devid, bool(flags & BTRFS_SUPER_FLAG_SEEDING))


def read_all() -> Iterator[Superblock]:
    """Yield the superblocks of all block devices that can be read, in the order of their names.

    A device that a multipath, a mapping or an array holds is left out: its holder shows the same.
    """
    for name in sorted(os.listdir(_BLOCKS)):
        if name.startswith(_NOT_LOOKED_AT):
            continue
        with contextlib.suppress(OSError):  # no disk in the drive, or the device has just gone
            node = b"/dev/" + name.replace(b"!", b"/")
            if os.listdir(_BLOCKS + b"/" + name + b"/holders") or os.stat(node).st_rdev != _number(name):
                continue
            if (found := read(node)) is not None:
                yield found


def _number(name: bytes) -> int:
    """Return the number of a block device, as st_rdev has it."""
    with open(_BLOCKS + b"/" + name + b"/dev", "rb") as stream:
        major, _, minor = stream.read().partition(b":")
    return os.makedev(int(major), int(minor))
