"""What was written to the original while it was being swapped, and how that gets into the copy.

Hard facts
    Whatever changes an inode or the names in a directory sets its ctime, and nobody can set it back.
    A rename does so too, and a time that the kernel takes finely (Linux 6.13) may be later than the clock
    that the others are taken from.
    A program that has opened a file before a mount came over it goes on writing to that file.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator

from ... import copying
from ...copying.descent import Descent, Level, open_quietly
from ...kernel import openat2

_CLOCK_REALTIME_COARSE = 5  # linux/time.h: the clock that the times of files are taken from

Names = tuple[bytes, ...]
Place = tuple[int, bytes]  # a descriptor of a directory, and the name of a tree in it


def now() -> int:
    """Return the time that a file would get now, in nanoseconds since 1970."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def wait_after(moment: int) -> None:
    """Return when a file that is written from now on gets a later time than this one."""
    while now() <= moment:
        time.sleep(0.001)


def since(above: int, name: bytes, moment: int) -> Iterator[Names]:
    """Yield the names that lead to each file or directory whose inode changed at or after a moment.

    The tree's top has no names.
    """
    facts = os.stat(name, dir_fd=above, follow_symlinks=False)
    if facts.st_ctime_ns >= moment:
        yield ()
    if not stat.S_ISDIR(facts.st_mode):
        return
    descent = Descent()
    try:
        _enter(descent, above, name)
        yield from _here(descent, moment)
        while descent:
            if not descent.top.below:
                descent.leave()
                continue
            below = descent.top.below.pop()
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                _enter(descent, descent.fds[0], below)
                yield from _here(descent, moment)
    finally:
        descent.close()


def _enter(descent: Descent, above: int, name: bytes) -> None:
    fd = open_quietly(above, name)
    descent.enter(Level(name, (fd,), os.fstat(fd), fresh=False))


def _here(descent: Descent, moment: int) -> Iterator[Names]:
    """Yield what changed in the directory that is looked at, and note the directories in it."""
    with os.scandir(descent.fds[0]) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                descent.top.below.append(name)
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_ctime_ns >= moment:
                    yield tuple(descent.names(name))


def catch_up(old: Place, copy: Place, found: list[Names], swapped: int) -> list[Names]:
    """Copy what changed once more, unless its copy has changed since the swap; return what is left."""
    left: list[Names] = []
    for names in found:
        try:
            with _opened(old, names) as source:
                facts = os.stat(source[1], dir_fd=source[0], follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode):
                    continue  # what is new in it has changed as well
                with _opened(copy, names) as target:
                    if not _copied(source, target, swapped):
                        left.append(names)
        except OSError:
            left.append(names)
    return left


@contextlib.contextmanager
def _opened(tree: Place, names: Names) -> Iterator[Place]:
    """Open the directory that some names in a tree lead to, without the last, for a while."""
    above, name = tree
    if not names:
        yield tree
        return
    fd = openat2.open_directory(above, b"/".join((name, *names[:-1])), os.O_RDONLY)
    try:
        yield fd, names[-1]
    finally:
        os.close(fd)


def _copied(source: Place, target: Place, swapped: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        if os.stat(target[1], dir_fd=target[0], follow_symlinks=False).st_ctime_ns >= swapped:
            return not copying.verify(*source, *target)
    copying.copy(*source, *target)
    return True
