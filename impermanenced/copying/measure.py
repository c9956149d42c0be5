"""How much there is to copy."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable

from ..lazy import NamedTuple
from .descent import Descent, Level, open_quietly
from .outcome import Meter, Progress, ignore, never


class Size(NamedTuple):
    """The size of a tree: what `Progress` counts, and what it takes on the disk."""

    files: int
    size: int
    allocated: int


def measure(
    source: int,
    name: bytes,
    *,
    progress: Callable[[Progress], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> Size:
    """Return the size of the tree below a name in an open directory; what is mounted in it does not count.

    Raises OSError for the tree's top, and Cancelled; what cannot be entered below counts as empty.
    """
    facts = os.stat(name, dir_fd=source, follow_symlinks=False)
    if not stat.S_ISDIR(facts.st_mode):
        return Size(1, facts.st_size if stat.S_ISREG(facts.st_mode) else 0, facts.st_blocks * 512)
    meter, descent = Meter(progress, cancelled), Descent()
    allocated = 0
    try:
        _enter(descent, source, name)
        meter.count()
        allocated += _count(descent, meter)
        while descent:
            if not descent.top.below:
                descent.leave()
                continue
            below = descent.top.below.pop()
            meter.count()
            with contextlib.suppress(OSError):
                _enter(descent, descent.fds[0], below)
                allocated += _count(descent, meter)
    finally:
        descent.close()
    return Size(meter.files, meter.size, allocated)


def _enter(descent: Descent, directory_fd: int, name: bytes) -> None:
    fd = open_quietly(directory_fd, name)
    descent.enter(Level(name, (fd,), os.fstat(fd), fresh=False))


def _count(descent: Descent, meter: Meter) -> int:
    """Count the files of the directory that is looked at; return the bytes that they take on the disk."""
    allocated = 0
    with os.scandir(descent.fds[0]) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                descent.top.below.append(os.fsencode(entry.name))
                continue
            with contextlib.suppress(FileNotFoundError):
                facts = entry.stat(follow_symlinks=False)
                allocated += facts.st_blocks * 512
                meter.count(facts.st_size if stat.S_ISREG(facts.st_mode) else 0)
    return allocated
