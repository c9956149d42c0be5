"""Mounts by descriptor: what is mounted where is not looked up by path, so nobody can redirect it.

Hard facts
    move_mount(2) puts a mount over what a descriptor is on, in one step: before it, the old directory or file
    is seen, after it the new one.
    A mount of a directory that open_tree(2) clones without AT_RECURSIVE has nothing of what is mounted below
    it: through it one sees what other mounts cover.
    Where a mount sits in our own namespace, the directory or file beneath it can be neither renamed nor
    removed (EBUSY), through whatever mount; its content can change.
    MOVE_MOUNT_BENEATH (Linux 6.5) puts a mount between one and what that covers: nothing changes for anybody
    until the upper one goes.  A kernel that does not know it says EINVAL.
    A mount that is detached (MNT_DETACH) is seen at no path from then on; who has something of it open keeps
    that.
    umount(2) takes a path and no descriptor, and a descriptor on a mount keeps that busy.
"""

from __future__ import annotations

import errno
import os

from . import chroot, libc, mounts

# linux/mount.h
OPEN_TREE_CLONE = 0x1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40
MOVE_MOUNT_BENEATH = 0x200
MOUNT_ATTR_ATIME_MASK = 0x70
MOUNT_ATTR_NODIRATIME = 0x80
UMOUNT_NOFOLLOW = 0x8
MNT_DETACH = 0x2

_ATTRIBUTES = {
    "ro": mounts.MOUNT_ATTR_RDONLY,
    "nosuid": mounts.MOUNT_ATTR_NOSUID,
    "nodev": mounts.MOUNT_ATTR_NODEV,
    "noexec": mounts.MOUNT_ATTR_NOEXEC,
    "nodiratime": MOUNT_ATTR_NODIRATIME,
    "noatime": mounts.MOUNT_ATTR_NOATIME,
}
OPTIONS = frozenset(_ATTRIBUTES)  # of mount(8), which are attributes of a mount


def clone(fd: int) -> int:
    """Return a descriptor (O_PATH) on a new mount of what a descriptor is on, attached nowhere yet, without
    what is mounted below it.
    """
    return libc.open_tree(fd, b"", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc.AT_EMPTY_PATH)


def attach(mount: int, place: int) -> None:
    """Attach a new mount over what a descriptor is on."""
    libc.move_mount(mount, place, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)


def attach_beneath(mount: int, top: int) -> bool:
    """Attach a new mount beneath the one whose root `top` is on; return False where the kernel cannot."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH
    try:
        libc.move_mount(mount, top, flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


def bind(source: int, place: int, options: frozenset[str]) -> None:
    """Mount what `source` is on over what `place` is on; `options` are some of OPTIONS."""
    mount = clone(source)
    try:
        if wanted := sum(_ATTRIBUTES[option] for option in options):
            clear = MOUNT_ATTR_ATIME_MASK if "noatime" in options else 0
            libc.mount_setattr(mount, libc.AT_EMPTY_PATH, set=wanted, clear=clear)
        attach(mount, place)
    finally:
        os.close(mount)


def detach(directory_fd: int, name: bytes, *, used: bool = False) -> None:
    """Unmount what is mounted at a name in a directory, with `used` even if somebody uses it.

    Raises OSError; EBUSY if anybody does.
    """
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if used else 0)
    chroot.call(directory_fd, lambda: libc.umount2(b"/" + name, flags))
