"""A bind mount that is made by descriptors: no path is looked up between the check and the mount.

Hard facts
    open_tree(2) with OPEN_TREE_CLONE makes a mount of what a descriptor is on, attached nowhere, with the
    attributes of the mount that the descriptor is on; move_mount(2) attaches it to what another descriptor
    is on.
    A mount that is read-only by its superblock stays so.
"""

from __future__ import annotations

import os

from . import libc, mounts

# linux/mount.h
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOUNT_ATTR_ATIME_MASK = 0x70
MOUNT_ATTR_NODIRATIME = 0x80
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8  # sys/mount.h

_ATTRIBUTES = {
    "ro": mounts.MOUNT_ATTR_RDONLY,
    "nosuid": mounts.MOUNT_ATTR_NOSUID,
    "nodev": mounts.MOUNT_ATTR_NODEV,
    "noexec": mounts.MOUNT_ATTR_NOEXEC,
    "nodiratime": MOUNT_ATTR_NODIRATIME,
}
FLAGS = frozenset((*_ATTRIBUTES, "noatime"))  # the options that are attributes


def bind(source: int, place: int, options: frozenset[str]) -> None:
    """Mount what `source` is on over what `place` is on; `options` are some of FLAGS.  Raises OSError."""
    clone = libc.open_tree(source, b"", libc.AT_EMPTY_PATH | OPEN_TREE_CLONE | os.O_CLOEXEC)
    try:
        flags = sum(attribute for option, attribute in _ATTRIBUTES.items() if option in options)
        if "noatime" in options:
            flags |= mounts.MOUNT_ATTR_NOATIME
        if flags:
            clear = MOUNT_ATTR_ATIME_MASK if "noatime" in options else 0
            libc.mount_setattr(clone, libc.AT_EMPTY_PATH, set=flags, clear=clear)
        libc.move_mount(clone, place, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
    finally:
        os.close(clone)


def detach(fd: int) -> None:
    """Take away the mount that a descriptor of its root is on; who uses it may go on."""
    libc.umount2(b"/proc/self/fd/%d" % fd, MNT_DETACH)
