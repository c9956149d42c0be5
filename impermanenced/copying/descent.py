"""The way down into one tree, or into two that have the same names, without recursion and without paths.

Hard facts
    A tree may be deeper than PATH_MAX and than the number of files that a process may have open.
    `..` of a directory that was moved meanwhile leads elsewhere, so it counts only if what it leads to is the
    directory that one came from.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from ..kernel import openat2
from ..kernel.btrfs import BTRFS_FIRST_FREE_OBJECTID

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = 100  # levels whose descriptors stay open

Mark = tuple[int, int]


class Level:
    """A directory on the way: its name, a descriptor in each tree, and the names below that come later."""

    __slots__ = ("below", "facts", "fds", "fresh", "marks", "name")

    def __init__(self, name: bytes, fds: tuple[int, ...], facts: os.stat_result, *, fresh: bool) -> None:
        self.name = name
        self.fds: tuple[int, ...] | None = fds
        self.facts = facts  # of the first tree's directory
        self.fresh = fresh  # whether the last tree's directory was made just now
        self.below: list[bytes] = []
        self.marks: tuple[Mark, ...] = ()  # device and inode in each tree, once the descriptors are closed


class Descent:
    """The levels from the topmost directory to the one that is looked at; it owns their descriptors."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self._closed = 0  # so many of the first levels have no descriptors

    def __bool__(self) -> bool:
        return bool(self.levels)

    @property
    def top(self) -> Level:
        return self.levels[-1]

    @property
    def fds(self) -> tuple[int, ...]:
        """Return the descriptors of the directory that is looked at."""
        fds = self.levels[-1].fds
        if fds is None:
            raise ValueError("the level is closed")
        return fds

    def names(self, *last: bytes) -> Iterator[bytes]:
        """Yield the names that lead from the tree's top, which has none, to something in the directory that
        is looked at.
        """
        if self.levels:
            yield from (level.name for level in self.levels[1:])
            yield from last

    def enter(self, level: Level) -> None:
        """Go down to a directory; the descriptors of one far above are closed."""
        self.levels.append(level)
        if len(self.levels) - self._closed > _OPEN:
            above = self.levels[self._closed]
            above.marks = tuple(map(_mark, above.fds or ()))
            _close(above)
            self._closed += 1

    def leave(self) -> Level:
        """Go up, and return the level that was left, with its descriptors closed.

        Raises OSError (ESTALE) if a directory on the way is no longer where it was.
        """
        level = self.levels.pop()
        try:
            if self.levels and self.levels[-1].fds is None:
                self._reopen(self.levels[-1], level.fds or ())
        finally:
            _close(level)
        return level

    def _reopen(self, above: Level, fds: tuple[int, ...]) -> None:
        opened: list[int] = []
        try:
            for fd, mark in zip(fds, above.marks, strict=True):
                opened.append(os.open(b"..", DIRECTORY, dir_fd=fd))
                if _mark(opened[-1]) != mark:
                    raise OSError(errno.ESTALE, "moved meanwhile", above.name)
        except OSError:
            for fd in opened:
                os.close(fd)
            raise
        above.fds = tuple(opened)
        self._closed -= 1

    def close(self) -> None:
        """Close what is open."""
        while self.levels:
            _close(self.levels.pop())


def open_quietly(directory_fd: int, name: bytes) -> int:
    """Return a descriptor on a directory that nothing covers; reading it leaves the time of access, where we
    may have it so.
    """
    try:
        return openat2.open_entry(directory_fd, name, DIRECTORY | os.O_NOATIME)
    except PermissionError:
        return openat2.open_entry(directory_fd, name, DIRECTORY)


def _mark(fd: int) -> Mark:
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino


def _close(level: Level) -> None:
    for fd in level.fds or ():
        os.close(fd)
    level.fds = None


def is_subvolume(facts: os.stat_result, directory_fd: int) -> bool:
    """Return whether a directory, which no mount covers, is a subvolume nested in its directory's one."""
    return facts.st_ino == BTRFS_FIRST_FREE_OBJECTID and facts.st_dev != os.fstat(directory_fd).st_dev
