"""What is mounted where, and a top-level mount that nobody else sees.

Hard facts
    A mount made by fsmount(2) is attached to no path: the kernel takes it down when the last file
    descriptor on it is closed, also when its holder was killed.  fanotify and open_by_handle_at(2)
    work on it as on any other.
    /proc/PID/fdinfo/FD names the mount that a descriptor is on; a path alone does not, since
    mounts may be stacked.
    A BTRFS that is mounted read-only everywhere cannot be mounted again read-write (EBUSY).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from ..lazy import NamedTuple, regex
from . import libc

# linux/mount.h
FSOPEN_CLOEXEC = 0x1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
FSMOUNT_CLOEXEC = 0x1
MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8
MOUNT_ATTR_NOATIME = 0x10

TOP_LEVEL = 5  # linux/btrfs_tree.h: BTRFS_FS_TREE_OBJECTID

_OCTAL = regex(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """A line of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

    id: int
    parent: int
    device: bytes  # "major:minor" of the superblock
    root: bytes  # the directory of the filesystem that is mounted
    path: bytes
    fstype: bytes
    source: bytes
    options: bytes = b""  # of the superblock; with BTRFS they name the subvolume of this mount


def unescape(word: bytes) -> bytes:
    r"""Return a field of mountinfo, /proc/swaps or fstab(5) with its octal escapes (`\040`)
    replaced by bytes.
    """
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), word)


def parse(text: bytes) -> Iterator[Mount]:
    """Yield the mounts of a mountinfo file in its order: a later one lies over an earlier one."""
    for line in text.split(b"\n"):
        left, separator, right = line.partition(b" - ")
        words, tail = left.split(b" "), right.split(b" ")
        if not separator or len(words) < 6 or len(tail) < 2:
            continue
        yield Mount(
            id=int(words[0]),
            parent=int(words[1]),
            device=words[2],
            root=unescape(words[3]),
            path=unescape(words[4]),
            fstype=tail[0],
            source=unescape(tail[1]),
            options=tail[2] if len(tail) > 2 else b"",
        )


def read(pid: int | str = "self") -> list[Mount]:
    """Return the mounts as the process `pid` sees them, in the order of mountinfo."""
    with open(f"/proc/{pid}/mountinfo", "rb") as stream:
        return list(parse(stream.read()))


def namespaces() -> Iterator[list[Mount]]:
    """Yield the mounts of each mount namespace that a process is in, our own first.

    A namespace may come more than once.  Raises OSError if one cannot be read.
    """
    yield read()
    seen = {_namespace("self")}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if (name := _namespace(pid)) is not None and name in seen:
                continue
            with open(f"/proc/{pid}/mountinfo", "rb") as stream:
                table = list(parse(stream.read()))
        except OSError as error:
            # It has ended; a zombie says EINVAL.
            if error.errno in (errno.ENOENT, errno.ESRCH, errno.EINVAL):
                continue
            raise
        seen.add(name)
        yield table


def _namespace(pid: str) -> str | None:
    """Return the name of a process's mount namespace, or None for a process that we may not trace.

    The mounts of such a process can be read nevertheless.
    """
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except PermissionError:
        return None


def mount_id(fd: int) -> int:
    """Return the id of the mount that a descriptor is on."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as stream:
        for line in stream:
            key, _, value = line.partition(b":")
            if key == b"mnt_id":
                return int(value)
    raise OSError(errno.ENODATA, "no mnt_id in fdinfo")


def open_top_level(device: bytes, *, writable: bool = True) -> int:
    """Do as `open_subvolume` does for the top level."""
    return open_subvolume(device, TOP_LEVEL, writable=writable)


def open_subvolume(device: bytes, number: int, *, writable: bool) -> int:
    """Mount a subvolume of the BTRFS on this device, and return a directory descriptor on it.

    Nothing above the subvolume can be reached through the descriptor.  The mount is attached nowhere and goes
    with the descriptor.  Needs CAP_SYS_ADMIN; OSError carries the device.
    """
    try:
        return _open_subvolume(device, number, writable=writable, read_only=False)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EROFS, errno.EACCES):
            raise
        return _open_subvolume(device, number, writable=writable, read_only=True)


def _open_subvolume(device: bytes, number: int, *, writable: bool, read_only: bool) -> int:
    """Mount a subvolume; `writable` is about the mount, and `read_only` about the whole filesystem."""
    context = libc.fsopen(b"btrfs", FSOPEN_CLOEXEC)
    try:
        libc.fsconfig(context, FSCONFIG_SET_STRING, b"source", device)
        libc.fsconfig(context, FSCONFIG_SET_STRING, b"subvolid", b"%d" % number)
        if read_only:
            libc.fsconfig(context, FSCONFIG_SET_FLAG, b"ro", None)
        libc.fsconfig(context, FSCONFIG_CMD_CREATE, None, None)
        attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME
        attributes |= 0 if writable else MOUNT_ATTR_RDONLY
        mount = libc.fsmount(context, FSMOUNT_CLOEXEC, attributes)
    except OSError as error:
        raise OSError(error.errno, error.strerror, device) from error
    finally:
        os.close(context)
    try:
        # The descriptor of fsmount(2) is an O_PATH one, which ioctl(2) refuses.
        return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
    finally:
        os.close(mount)
