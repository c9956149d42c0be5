"""Questions about a path that its bytes answer.  Paths are absolute, and end without a slash."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MOST = 1 << 13  # directories in a cache
MOST_BYTES = 1 << 18  # of their paths
PATH_MAX = 4096  # linux/limits.h: what a program can open by one path
DEEPEST = 4 * PATH_MAX  # bytes of a directory's path, below which nothing is listed

T = TypeVar("T")


def within(path: bytes, directory: bytes) -> bool:
    """Return whether the path is the directory, or lies below it."""
    return path == directory or path.startswith(directory.rstrip(b"/") + b"/")


def ancestors(path: bytes) -> list[bytes]:
    """Return the directories above a path, the nearest first, without "/"."""
    found = []
    while path := path[: path.rfind(b"/")]:
        found.append(path)
    return found


class Inherited(dict[bytes, T]):
    """A cache of what holds in each directory, worked out from what holds in the one above it.

    `found[path[: path.rfind(b"/")]]` is what holds in the directory of a path; "/" is b"" here and has
    `root`. Thousands of paths share a directory: each is worked out once, and a lookup is one of a plain
    dict.  When there are too many, or their paths are too long together, all are forgotten.
    """

    def __init__(self, root: T, below: Callable[[T, bytes], T]) -> None:
        """Begin with what holds in "/"; `below` returns what holds in a directory, from that above and its
        path.  A method of whoever keeps the cache would make a cycle, which only the collector takes apart.
        """
        super().__init__({b"": root})
        self._root = root
        self._work_out = below
        self._bytes = 0  # of the paths

    def __missing__(self, directory: bytes) -> T:
        unknown = []
        while directory not in self:
            unknown.append(directory)
            directory = directory[: directory.rfind(b"/")]
        found = self[directory]
        if len(self) > MOST or self._bytes > MOST_BYTES:
            self.forget()
        for path in reversed(unknown):
            found = self[path] = self._work_out(found, path)
            self._bytes += len(path)
        return found

    def forget(self) -> None:
        """Forget everything, so that it is worked out anew."""
        self.clear()
        self._bytes = 0
        self[b""] = self._root
