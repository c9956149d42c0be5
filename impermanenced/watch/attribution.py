"""The writer of a difference, from what the watch knows of inodes and of crowded directories."""

from __future__ import annotations

import os
from typing import Protocol

from ..kernel.btrfs import Tree
from ..model import Difference, Volume, Writer

_DIRECTORIES = 1000  # directories whose inode numbers are cached


class Writers(Protocol):
    """The writers that the watch knows, by inode and by crowded directory."""

    overflows: int
    curtailed: int

    @property
    def since(self) -> float | None:
        """Return since when writers are known, in seconds since 1970, or None if they are not."""

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return (begin, end) of each time since then at which no daemon watched."""

    def of(self, root_id: int, inode: int) -> Writer | None:
        """Return who wrote to an inode, or None."""

    def has_crowds(self) -> bool:
        """Return whether any directory is kept as a whole."""

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        """Return who filled a directory that is kept as a whole, or None."""


class Attribution:
    """The writers of one volume's differences."""

    def __init__(self, top_fd: int, volume: Volume, writers: Writers) -> None:
        self._fd = top_fd
        self._root_id = volume.root_id
        self._writers = writers
        self._trees: dict[int, Tree] = {}  # the latest one
        self._numbers: dict[bytes, int] = {}

    def of(self, difference: Difference) -> Writer | None:
        """Return who made a difference, or None if the watch does not know."""
        root_id = self._root_id if difference.subvolume is None else difference.subvolume
        writer = self._writers.of(root_id, difference.inode)
        if writer is None and self._writers.has_crowds():
            directory = self._directory(root_id, difference)
            writer = self._writers.of_crowd(root_id, directory) if directory else None
        return writer

    def _tree(self, root_id: int) -> Tree:
        if root_id not in self._trees:
            self._trees = {root_id: Tree(self._fd, root_id)}
        return self._trees[root_id]

    def _directory(self, root_id: int, difference: Difference) -> int:
        """Return the inode number of the directory that holds a difference, or 0 if the inode is gone."""
        path, name = os.path.split(difference.path)
        number = self._numbers.get(path, 0)
        if not number:
            names = self._tree(root_id).each_name(difference.inode)
            number = next((above for above, own in names if own == name), 0)
            if number:
                if len(self._numbers) >= _DIRECTORIES:
                    self._numbers.clear()
                self._numbers[path] = number
        return number
