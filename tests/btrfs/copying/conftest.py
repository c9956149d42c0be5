from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced import copying

from ...conftest import Filesystem
from . import trees


class Pair:
    """Two subvolumes of one filesystem, and the copier between them."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.source = filesystem.subvolume("source")
        self.target = filesystem.subvolume("target")
        self.fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (self.source, self.target)]

    def copy(self, name: str = "tree", as_name: str = "tree", **options: Any) -> copying.Result:
        source, target = self.fds
        return copying.copy(source, os.fsencode(name), target, os.fsencode(as_name), **options)

    def verify(self, name: str = "tree", as_name: str = "tree") -> tuple[copying.Difference, ...]:
        source, target = self.fds
        return copying.verify(source, os.fsencode(name), target, os.fsencode(as_name))

    def remove(self, name: str = "tree") -> None:
        copying.remove(self.fds[1], os.fsencode(name))

    def differences(self, name: str = "tree", as_name: str = "tree", **options: bool) -> dict[bytes, object]:
        """What an independent look finds."""
        ours, theirs = os.fsencode(self.source / name), os.fsencode(self.target / as_name)
        return trees.difference(trees.look(ours, **options), trees.look(theirs, **options))

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def pair(filesystem: Filesystem) -> Iterator[Pair]:
    pair = Pair(filesystem)
    try:
        yield pair
    finally:
        pair.close()


class Stop:
    """A caller who stops at the n-th question."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def other_filesystem(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A second BTRFS, mounted."""
    made: list[Filesystem] = []

    def make() -> Path:
        directory = tmp_path / "other"
        directory.mkdir()
        made.append(Filesystem(directory, "256M"))
        return made[-1].top

    try:
        yield make
    finally:
        for filesystem in made:
            filesystem.close()
