"""The way to a path of whose directories some may be a user's: no link, and nothing of somebody else's.

Hard facts
    Whoever owns a directory can rename what is in it, also a directory of root's, such as sudo leaves in a
    home.  So a way that comes out of a user's directory into one of another owner leads wherever that user
    wants, although it has no link: into what the other owner keeps closed.
"""

from __future__ import annotations

import errno
import os
import stat

from ..errors import ImpermanenceError
from ..text import to_text

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unsafe(ImpermanenceError):
    """A directory on the way belongs to somebody who has nothing to do with what it is looked up for."""


def check(above: os.stat_result, below: os.stat_result, path: bytes) -> None:
    """Raise Unsafe if a directory lies in one that a user owns who does not own it; `path` is its path."""
    if above.st_uid not in (0, below.st_uid):
        raise Unsafe(
            f"{to_text(path)} lies in a directory of uid {above.st_uid}, and is of uid {below.st_uid}",
            "one owner has to have both: chown one of them, or name the directory that both lie in",
        )


def walk(root: int, directory: bytes, flags: int = os.O_PATH) -> tuple[int, list[os.stat_result]]:
    """Return a descriptor on a directory, and the facts of each one on the way, from the topmost to itself.

    Raises Unsafe, and OSError: ELOOP for a link, ENOTDIR, ENOENT, EXDEV for "..".
    """
    at, shown, found = os.dup(root), b"", []
    try:
        facts = os.fstat(at)
        for name in (one for one in directory.split(b"/") if one not in (b"", b".")):
            shown += b"/" + name
            below = _enter(at, name, shown)
            os.close(at)
            at, above, facts = below, facts, os.fstat(below)
            check(above, facts, shown)
            found.append(facts)
        return os.open(b".", flags | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at), found
    finally:
        os.close(at)


def open_directory(root: int, directory: bytes, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor on a directory, by default for reading.  Raises as `walk` does."""
    return walk(root, directory, flags)[0]


def open_path(root: int, path: bytes) -> int:
    """Return a descriptor (O_PATH) on what is at a path, a link as itself.  Raises as `walk` does."""
    directory, name = os.path.split(path.rstrip(b"/") or b"/")
    around = open_directory(root, directory, os.O_PATH)
    try:
        return os.open(name or b".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=around)
    finally:
        os.close(around)


def _enter(at: int, name: bytes, path: bytes) -> int:
    if name == b"..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    try:
        return os.open(name, _STEP, dir_fd=at)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path) from None
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
