"""What can be said of a path by its bytes alone.  Paths are absolute, and end without a slash."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

MOST = 1 << 13  # directories that are remembered at once

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
    """What holds in each directory, worked out from what holds in the one above it.

    `found[path[: path.rfind(b"/")]]` is what holds where a path stands; that of "/", here b"", is `root`.
    Thousands of paths share a directory: each is worked out once, and a lookup is one of a plain dict.  Where
    too many are remembered all are forgotten.
    """

    def __init__(self, root: T, below: Callable[[T, bytes], T]) -> None:
        """`below` gives what holds in a directory, from what holds in the one above it and its path."""
        super().__init__({b"": root})
        self._root = root
        self._work_out = below

    def __missing__(self, directory: bytes) -> T:
        unknown = []
        while directory not in self:
            unknown.append(directory)
            directory = directory[: directory.rfind(b"/")]
        found = self[directory]
        if len(self) > MOST:
            self.forget()
        for path in reversed(unknown):
            found = self[path] = self._work_out(found, path)
        return found

    def forget(self) -> None:
        """Work out everything anew from now on."""
        self.clear()
        self[b""] = self._root
