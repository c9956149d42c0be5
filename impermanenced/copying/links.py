"""The files with several names: the second name of one becomes a second name of its copy."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import TypeAlias

from ..kernel import libc

_MOST_OPEN = 200  # copies that are held open where the filesystem has no file handles

Handle: TypeAlias = tuple[int, bytes]


class _Copy:
    __slots__ = ("fd", "flags", "handle", "left")

    def __init__(self, handle: Handle | None, fd: int, left: int) -> None:
        self.handle, self.fd, self.left = handle, fd, left
        self.flags = 0  # those that it gets when it has all its names


class Links:
    """The copies of files that have further names; they are held by file handle, so none is held open.

    One is forgotten when all names of its file have come.  Needs CAP_DAC_READ_SEARCH for file handles.
    """

    def __init__(self) -> None:
        self._copies: dict[tuple[int, int], _Copy] = {}
        self._open = 0

    def remember(self, facts: os.stat_result, copy: int) -> None:
        """Remember the open copy of a file that has further names."""
        try:
            handle, fd = libc.name_to_handle_at(copy, b"", libc.AT_EMPTY_PATH), -1
        except OSError:
            if self._open >= _MOST_OPEN:
                return
            handle, fd = None, os.dup(copy)
            self._open += 1
        self._copies[facts.st_dev, facts.st_ino] = _Copy(handle, fd, facts.st_nlink - 1)

    def find(self, facts: os.stat_result, mount: int) -> int | None:
        """Return a descriptor (O_PATH) on the copy of a file, or None if it was not copied yet."""
        copy = self._copies.get((facts.st_dev, facts.st_ino))
        return None if copy is None else _opened(copy, mount)

    def lock_later(self, facts: os.stat_result, flags: int) -> None:
        """Note the flags that keep a file from getting further names."""
        if copy := self._copies.get((facts.st_dev, facts.st_ino)):
            copy.flags = flags

    def named(self, facts: os.stat_result, mount: int) -> tuple[int, int] | None:
        """Note a further name; return (descriptor for reading, flags) of a copy that has all names and waits
        for its flags.
        """
        key = facts.st_dev, facts.st_ino
        copy = self._copies[key]
        copy.left -= 1
        if copy.left > 0:
            return None
        del self._copies[key]
        return self._locked(copy, mount)

    def unlocked(self, mount: int) -> Iterator[tuple[int, int]]:
        """Yield (descriptor for reading, flags) of each copy that still waits for its flags; forget all."""
        while self._copies:
            if (found := self._locked(self._copies.popitem()[1], mount)) is not None:
                yield found

    def _locked(self, copy: _Copy, mount: int) -> tuple[int, int] | None:
        try:
            if not copy.flags:
                return None
            found = _opened(copy, mount)
            try:
                return os.open(b"/proc/self/fd/%d" % found, os.O_RDONLY | os.O_CLOEXEC), copy.flags
            finally:
                os.close(found)
        finally:
            if copy.fd >= 0:
                os.close(copy.fd)
                self._open -= 1

    def close(self) -> None:
        """Close what is held open."""
        for copy in self._copies.values():
            if copy.fd >= 0:
                os.close(copy.fd)
        self._copies.clear()


def _opened(copy: _Copy, mount: int) -> int:
    if copy.handle is None:
        return os.dup(copy.fd)
    return libc.open_by_handle_at(mount, *copy.handle, os.O_PATH)


def link(copy: int, directory_fd: int, name: bytes) -> bool:
    """Give an open copy a further name; return False where the filesystem takes no more names for it."""
    try:
        os.link(b"/proc/self/fd/%d" % copy, name, dst_dir_fd=directory_fd, follow_symlinks=True)
    except OSError as error:
        if error.errno in (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP):
            return False
        raise
    return True
