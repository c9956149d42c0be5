"""System calls that the standard library does not wrap.

Numbers are those of asm-generic/unistd.h, the same on every architecture that got them after 5.0;
the older ones go through the C library's own functions.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# asm-generic/unistd.h
SYS_open_tree = 428
SYS_move_mount = 429
SYS_fsopen = 430
SYS_fsconfig = 431
SYS_fsmount = 432
SYS_openat2 = 437
SYS_mount_setattr = 442

# linux/fcntl.h
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000

# linux/fs.h
RENAME_NOREPLACE = 0x1
RENAME_EXCHANGE = 0x2

# linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_OPEN_HOW = struct.Struct("=QQQ")  # flags, mode, resolve

_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.syncfs.argtypes = [ctypes.c_int]
_libc.renameat2.argtypes = [
    ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint,
]  # fmt: skip
_libc.unshare.argtypes = [ctypes.c_int]
_libc.open_by_handle_at.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
_libc.name_to_handle_at.argtypes = [
    ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
]  # fmt: skip
_libc.fanotify_init.argtypes = [ctypes.c_uint, ctypes.c_uint]
_libc.fanotify_mark.argtypes = [
    ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p,
]  # fmt: skip
_libc.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]


def _checked(result: int, *paths: bytes | None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), *paths)
    return result


def fsopen(fstype: bytes, flags: int) -> int:
    return _checked(_libc.syscall(SYS_fsopen, fstype, ctypes.c_uint(flags)), fstype)


def fsconfig(fd: int, command: int, key: bytes | None, value: bytes | None, aux: int = 0) -> None:
    _checked(_libc.syscall(SYS_fsconfig, fd, ctypes.c_uint(command), key, value, aux), value)


def fsmount(fd: int, flags: int, attributes: int) -> int:
    return _checked(_libc.syscall(SYS_fsmount, fd, ctypes.c_uint(flags), ctypes.c_uint(attributes)))


def openat2(dir_fd: int, path: bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """Return a descriptor on `path`, opened with exactly these flags of open(2) and O_CLOEXEC.

    Raises OSError; a path with a NUL is EINVAL.
    """
    if b"\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    size = ctypes.c_size_t(_OPEN_HOW.size)
    return _checked(_libc.syscall(SYS_openat2, ctypes.c_int(dir_fd), path, how, size), path)


def open_tree(dir_fd: int, path: bytes, flags: int) -> int:
    """Return a descriptor on what is mounted at a path, or with OPEN_TREE_CLONE on a new mount of it."""
    return _checked(_libc.syscall(SYS_open_tree, ctypes.c_int(dir_fd), path, ctypes.c_uint(flags)), path)


def move_mount(from_fd: int, to_fd: int, flags: int) -> None:
    """Move the mount of one descriptor to the place of another; `flags` say that both paths are empty."""
    arguments = ctypes.c_int(from_fd), b"", ctypes.c_int(to_fd), b"", ctypes.c_uint(flags)
    _checked(_libc.syscall(SYS_move_mount, *arguments))


def mount_setattr(fd: int, flags: int, *, set: int, clear: int) -> None:
    """Change the attributes of the mount that a descriptor is on (struct mount_attr of linux/mount.h)."""
    attributes = struct.pack("=QQQQ", set, clear, 0, 0)
    arguments = ctypes.c_int(fd), b"", ctypes.c_uint(flags), attributes, ctypes.c_size_t(len(attributes))
    _checked(_libc.syscall(SYS_mount_setattr, *arguments))


def setfsids(uid: int, gid: int) -> None:
    """Set the user and group that this thread is for the filesystem: what it makes is theirs."""
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)


def umount2(path: bytes, flags: int) -> None:
    _checked(_libc.umount2(path, flags), path)


def syncfs(fd: int) -> None:
    """Write the whole filesystem of a descriptor to its disk: with BTRFS, commit the transaction."""
    _checked(_libc.syncfs(fd))


def renameat2(from_fd: int, from_name: bytes, to_fd: int, to_name: bytes, flags: int) -> None:
    """Rename with flags of linux/fs.h: RENAME_NOREPLACE, RENAME_EXCHANGE."""
    _checked(_libc.renameat2(from_fd, from_name, to_fd, to_name, flags), from_name, None, to_name)


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags))


def open_by_handle_at(mount_fd: int, handle_type: int, handle: bytes, flags: int) -> int:
    """Return a descriptor on the inode of a file handle, opened with these flags and O_CLOEXEC.

    struct file_handle is {u32 handle_bytes, i32 handle_type, u8 f_handle[]} (linux/exportfs.h).
    """
    kind = handle_type.to_bytes(4, sys.byteorder, signed=True)
    raw = len(handle).to_bytes(4, sys.byteorder) + kind + handle
    return _checked(_libc.open_by_handle_at(mount_fd, raw, flags | os.O_CLOEXEC))


def name_to_handle_at(dir_fd: int, path: bytes, flags: int) -> tuple[int, bytes]:
    """Return the type and the bytes of the file handle of a file."""
    most = 128  # MAX_HANDLE_SZ, linux/exportfs.h
    raw = ctypes.create_string_buffer(most.to_bytes(4, sys.byteorder), 8 + most)
    mount = ctypes.c_int()
    _checked(_libc.name_to_handle_at(dir_fd, path, raw, ctypes.byref(mount), flags), path)
    size = int.from_bytes(raw.raw[:4], sys.byteorder)
    kind = int.from_bytes(raw.raw[4:8], sys.byteorder, signed=True)
    return kind, raw.raw[8 : 8 + size]


def fanotify_init(flags: int, event_f_flags: int) -> int:
    return _checked(_libc.fanotify_init(flags, event_f_flags))


def fanotify_mark(fd: int, flags: int, mask: int, dir_fd: int, path: bytes | None = None) -> None:
    _checked(_libc.fanotify_mark(fd, flags, mask, dir_fd, path), path)


def inotify_init1(flags: int) -> int:
    return _checked(_libc.inotify_init1(flags))


def inotify_add_watch(fd: int, path: bytes, mask: int) -> int:
    return _checked(_libc.inotify_add_watch(fd, path, mask), path)


def inotify_rm_watch(fd: int, watch: int) -> None:
    _checked(_libc.inotify_rm_watch(fd, watch))


# malloc.h
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8


def mallopt(parameter: int, value: int) -> None:
    """Set a parameter of malloc in the GNU C library; do nothing in another C library."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(parameter, value)


def malloc_trim() -> None:
    """Return free memory of malloc to the kernel with the GNU C library; do nothing in another C library."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))
