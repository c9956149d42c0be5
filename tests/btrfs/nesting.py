"""Subvolumes in one another."""

from __future__ import annotations

import os
from pathlib import Path

import btrfsutil


def nest(path: Path, name: str, depth: int) -> None:
    """So many subvolumes of one name in one another, whose path may be longer than PATH_MAX."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        btrfsutil.create_subvolume(f"/proc/self/fd/{fd}/{name}")
        above, fd = fd, os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(above)
    os.close(fd)
