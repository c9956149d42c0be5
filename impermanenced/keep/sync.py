"""Files with `method = "sync"`: what a program wrote is copied back into the persist volume, all or nothing.

The boot copies such a file from the persist volume, so that programs can rename new versions over it, which
they cannot over a mount.  A path unit starts `impermanence sync` after each change, and a unit that stops at
the shutdown does it once more; the daemon only watches.

Hard facts
    A program that does not rename truncates first: what is empty may be half written, and is not copied over
    something that is not.
    The new content is on the disk, by a whole commit, before it gets the old one's name by one rename.
    rename(2) between two subvolumes is EXDEV.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import copying
from ..config.placement import SYNC, Placement
from ..kernel import libc, openat2
from ..report.synced import is_same
from ..text import to_text
from . import approach
from .closed import open_closed
from .plan import source_of
from .strays import OURS

STAGING = OURS + b"-sync"  # in the persist volume, root's alone
TRIES = 5  # copies of a file that is written meanwhile


@dataclass(frozen=True, slots=True)
class Synced:
    """One declared file, and what was done with it."""

    path: bytes
    source: bytes
    done: bool  # whether it was copied, or would be
    why: str = ""  # why it could not be


def run(placements: Sequence[Placement], root: bytes, *, dry_run: bool) -> list[Synced]:
    """Copy back what has changed, and return these files, with those that could not be copied.

    `root` is where the "/" of the system is mounted.  Raises OSError if that cannot be opened.
    """
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return [
            found
            for one in placements
            if one.method == SYNC and not one.declaration.directory
            for found in _one(fd, one, dry_run)
        ]
    finally:
        os.close(fd)


def bring_back(root: int, path: bytes, source: bytes, persist: bytes) -> None:
    """Make the source what the file is, all or nothing.  Raises OSError, and Unsafe."""
    if not is_same(root, path, source):
        _check(root, path, source)
        _copy_back(root, path, source, persist)


def _one(root: int, one: Placement, dry_run: bool) -> Iterator[Synced]:
    path, source = one.declaration.path, source_of(one)
    try:
        if is_same(root, path, source):
            return
        _check(root, path, source)
        if not dry_run:
            _copy_back(root, path, source, one.declaration.persist)
        yield Synced(path, source, True)
    except FileNotFoundError:
        return  # a file that was removed takes nothing away from what is kept
    except approach.Unsafe as error:
        yield Synced(path, source, False, error.message)
    except OSError as error:
        yield Synced(path, source, False, error.strerror or str(error))


def _check(root: int, path: bytes, source: bytes) -> None:
    facts = openat2.facts(root, path)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "no regular file", path)
    with contextlib.suppress(FileNotFoundError):
        there = openat2.facts(root, source)
        if not stat.S_ISREG(there.st_mode):
            raise OSError(errno.EINVAL, f"{to_text(source)} is no regular file", source)
        if facts.st_size == 0 < there.st_size:
            raise OSError(errno.ENODATA, "empty by now, and may be half written", path)


def _copy_back(root: int, path: bytes, source: bytes, persist: bytes) -> None:
    directory, name = os.path.split(path)
    with contextlib.ExitStack() as stack:
        live = _opened(stack, root, directory)
        above = _opened(stack, root, os.path.dirname(source))
        top = _opened(stack, root, persist)
        staging = open_closed(top, STAGING)
        stack.callback(os.close, staging)
        made = b"%d" % os.getpid()
        try:
            _copy_whole(live, name, staging, made)
            libc.syncfs(staging)
            os.rename(made, os.path.basename(source), src_dir_fd=staging, dst_dir_fd=above)
        finally:
            for left in map(os.fsencode, os.listdir(staging)):
                copying.remove(staging, left)
        libc.syncfs(above)
        with contextlib.suppress(OSError):
            os.rmdir(STAGING, dir_fd=top)


def _opened(stack: contextlib.ExitStack, root: int, path: bytes) -> int:
    fd = approach.open_directory(root, path)
    stack.callback(os.close, fd)
    return fd


def _copy_whole(live: int, name: bytes, staging: int, made: bytes) -> None:
    """Copy a file that nobody writes meanwhile."""
    for _ in range(TRIES):
        before = os.stat(name, dir_fd=live, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "no regular file", name)
        copying.copy(live, name, staging, made)
        after = os.stat(name, dir_fd=live, follow_symlinks=False)
        if _version(before) == _version(after):
            return
    raise OSError(errno.EBUSY, "it is written all the time", name)


def _version(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
