"""Files below a directory, by paths that others could have laid: no link is followed on the way.

Hard facts
    openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS gives an error (EXDEV, ELOOP) in place of a
    descriptor that lies elsewhere, whatever is renamed meanwhile.
    Opening a fifo waits for its other end and opening a device may do anything: with O_PATH neither happens.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from . import libc

_RESOLVE = libc.RESOLVE_BENEATH | libc.RESOLVE_NO_SYMLINKS | libc.RESOLVE_NO_MAGICLINKS


def relative(path: bytes) -> bytes:
    return path.lstrip(b"/") or b"."


def open_directory(root_fd: int, path: bytes, flags: int = os.O_PATH) -> int:
    """By default a descriptor for looking at names, not for listing them."""
    return libc.openat2(root_fd, relative(path), flags | os.O_DIRECTORY, _RESOLVE)


def read(root_fd: int, path: bytes, limit: int, *, owner: int | None = None) -> bytes:
    """The first `limit` bytes of a regular file; OSError for anything else, or when it is not `owner`'s."""
    # What it is, is asked before it is opened for reading: a device could answer to the opening.
    found = libc.openat2(root_fd, relative(path), os.O_PATH | os.O_NOFOLLOW, _RESOLVE)
    try:
        facts = os.fstat(found)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        if owner is not None and facts.st_uid != owner:
            raise PermissionError(errno.EPERM, "not this user's file", path)
        fd = os.open(b"/proc/self/fd/%d" % found, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)
    try:
        chunks = []
        while limit > 0 and (chunk := os.read(fd, min(limit, 1 << 20))):
            chunks.append(chunk)
            limit -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(fd)


class Directories:
    """Descriptors of directories below a root, kept while the paths stay in one directory."""

    def __init__(self, root_fd: int) -> None:
        self._root = root_fd
        self._path: bytes | None = None
        self._fd = -1
        self._absent: set[bytes] = set()

    def of(self, directory: bytes) -> int | None:
        """None: there is no such directory."""
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
