"""The stream of a subvolume: what btrfs-send(8) does by path, done by descriptor and number.

Hard facts
    Only a read-only subvolume can be sent, and only against a read-only one.
    The stream names its parent by UUID and transaction: whoever receives it looks for that.
    What is nested in a subvolume is not in its stream, not even as an empty directory in its place.
    btrfs-send(8) wants a path below a mount that it finds in mountinfo, which a detached one is not.
"""

from __future__ import annotations

import array
import fcntl
import struct

# linux/btrfs.h
BTRFS_IOC_SEND = 0x40489426

_ARGS = struct.Struct("=qQQQQI28x")  # send_fd, how many clone sources, where they are, parent, flags, version


def send(subvolume: int, out: int, parent: int | None) -> None:
    """Write the stream of an open read-only subvolume to a descriptor; with `parent`, the id of another
    one, only what differs from that.  Needs CAP_SYS_ADMIN.  Raises OSError; EPIPE if the reader went away.
    """
    sources = array.array("Q", [] if parent is None else [parent])
    address, count = sources.buffer_info()
    args = bytearray(_ARGS.pack(out, count, address if count else 0, parent or 0, 0, 0))
    fcntl.ioctl(subvolume, BTRFS_IOC_SEND, args)
