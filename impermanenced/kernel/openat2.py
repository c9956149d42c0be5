"""Files below a directory, by paths that others could have laid: no link is followed on the way.

Hard facts
    openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS gives an error (EXDEV, ELOOP) in place of a
    descriptor that lies elsewhere, whatever is renamed meanwhile.
    A unit with RestrictSUIDSGID= has no openat2: a filter cannot see the mode in its structure, so systemd
    makes it ENOSYS.  Directory by directory, each with O_NOFOLLOW, is the same, with a call for each.
    Opening a fifo waits for its other end and opening a device may do anything: with O_PATH neither happens.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterator

from . import libc
from .mounts import mount_id

_RESOLVE = libc.RESOLVE_BENEATH | libc.RESOLVE_NO_SYMLINKS | libc.RESOLVE_NO_MAGICLINKS


def relative(path: bytes) -> bytes:
    """Return the path without the slashes at its beginning, or "." if nothing is left."""
    return path.lstrip(b"/") or b"."


def open_directory(root_fd: int, path: bytes, flags: int = os.O_PATH) -> int:
    """Return a descriptor on a directory; by default one for looking up names, not for listing them."""
    return _open(root_fd, relative(path), flags | os.O_DIRECTORY)


@contextlib.contextmanager
def root(path: bytes) -> Iterator[int]:
    """Open the root of a system, or of another tree, for a while."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def directory(root_fd: int, path: bytes) -> Iterator[int]:
    """Open a directory below a root for a while, for reading; no link is followed on the way."""
    fd = open_directory(root_fd, path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def open_path(root_fd: int, path: bytes) -> int:
    """Return a descriptor that only names what is at this path, whatever it is; a link at its end counts as
    itself.
    """
    return _open(root_fd, relative(path), os.O_PATH | os.O_NOFOLLOW)


def exists_inside(root_fd: int, path: bytes) -> bool:
    """Return whether a system whose root is open has something at this path.

    A link at its end counts, wherever it leads; those on the way lead where they would with this root.
    """
    directory, name = os.path.split(relative(path))
    try:
        fd = libc.openat2(root_fd, directory or b".", os.O_PATH | os.O_DIRECTORY, libc.RESOLVE_IN_ROOT)
    except OSError:
        return False
    try:
        os.stat(name or b".", dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def open_entry(directory_fd: int, name: bytes, flags: int) -> int:
    """Return a descriptor on what a name in a directory stands for, and on nothing that is mounted over it.

    Raises OSError; EXDEV if something is mounted there, ELOOP for a link.
    """
    if _has_openat2():
        return libc.openat2(directory_fd, name, flags, _RESOLVE | libc.RESOLVE_NO_XDEV)
    fd = _step_by_step(directory_fd, name, flags)
    if mount_id(fd) != mount_id(directory_fd):
        os.close(fd)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return fd


def names(root_fd: int, path: bytes) -> list[bytes]:
    """Return the names in the directory at this path, sorted.  Raises OSError."""
    fd = open_directory(root_fd, path, os.O_RDONLY)
    try:
        return sorted(os.fsencode(name) for name in os.listdir(fd))
    finally:
        os.close(fd)


def facts(root_fd: int, path: bytes) -> os.stat_result:
    """Return the lstat(2) of the file at this path."""
    fd = open_path(root_fd, path)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def target(root_fd: int, path: bytes) -> bytes:
    """Return where the symbolic link at this path leads.  Raises OSError."""
    fd = open_path(root_fd, path)
    try:
        return os.readlink(b"", dir_fd=fd)
    finally:
        os.close(fd)


def read(root_fd: int, path: bytes, limit: int, *, owner: int | None = None) -> bytes:
    """Return the first `limit` bytes of a regular file.

    Raises OSError if it is no regular file, or if it does not belong to `owner`.
    """
    found = open_path(root_fd, path)
    try:
        return read_descriptor(found, limit, owner=owner)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(found)


def read_descriptor(found: int, limit: int, *, owner: int | None = None) -> bytes:
    """Return the first `limit` bytes of the regular file that an O_PATH descriptor names.  Raises OSError as
    `read` does.
    """
    # The type is checked before the file is opened for reading: opening a device may have effects.
    facts = os.fstat(found)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if owner is not None and facts.st_uid != owner:
        raise PermissionError(errno.EPERM, "not this user's file")
    fd = os.open(b"/proc/self/fd/%d" % found, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while limit > 0:
            wanted = min(limit, 1 << 20)
            chunk = os.read(fd, wanted)
            chunks.append(chunk)
            limit -= len(chunk)
            if len(chunk) < wanted:  # a regular file gives all it has
                break
        return b"".join(chunks)
    finally:
        os.close(fd)


def _open(root_fd: int, path: bytes, flags: int) -> int:
    if _has_openat2():
        return libc.openat2(root_fd, path, flags, _RESOLVE)
    return _step_by_step(root_fd, path, flags)


@functools.cache
def _has_openat2() -> bool:
    try:
        os.close(libc.openat2(libc.AT_FDCWD, b".", os.O_PATH, libc.RESOLVE_NO_MAGICLINKS))
    except OSError as error:
        return error.errno != errno.ENOSYS
    return True


def _step_by_step(root_fd: int, path: bytes, flags: int) -> int:
    *above, last = [name for name in path.split(b"/") if name not in (b"", b".")] or [b"."]
    if b".." in (*above, last):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    if b"\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    at = root_fd
    try:
        for name in above:
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            if at != root_fd:
                os.close(at)
            at = below
        return os.open(last, flags | os.O_NOFOLLOW, dir_fd=at)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        if at != root_fd:
            os.close(at)


class Directories:
    """Descriptors of directories below a root, kept while the paths stay in one directory."""

    def __init__(self, root_fd: int) -> None:
        self._root = root_fd
        self._path: bytes | None = None
        self._fd = -1
        self._absent: set[bytes] = set()

    def of(self, directory: bytes) -> int | None:
        """Return a descriptor on a directory, valid until the next call, or None if there is no such
        directory.
        """
        if directory == self._path:
            return self._fd if self._fd >= 0 else None
        self.close()
        self._path = directory
        if not any(above in self._absent for above in _above(directory)):
            try:
                self._fd = open_directory(self._root, directory)
            except OSError:
                self._absent.add(directory)
        return self._fd if self._fd >= 0 else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._path, self._fd = None, -1


def _above(directory: bytes) -> Iterator[bytes]:
    end = directory.find(b"/", 1)
    while end > 0:
        yield directory[:end]
        end = directory.find(b"/", end + 1)
    yield directory
