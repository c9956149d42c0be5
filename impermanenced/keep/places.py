"""Creating what is missing at a path whose directories other users may own.

Hard facts
    A user who owns a directory can rename what root makes in it, and put something else there, before root
    gives it an owner by its name.  What is made with the fsuid of that user is theirs from its first moment.
    setfsuid(2) takes away the capabilities that override permissions, too: what that user may not do fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ..kernel import libc, openat2
from ..text import to_text
from .approach import Unsafe, open_directory
from .plan import Kind, Made


def exists(root: int, path: bytes) -> os.stat_result | None:
    """Return the lstat(2) of a path, or None if nothing is there.  Raises OSError for a link on the way."""
    try:
        return openat2.facts(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def create(root: int, made: Made, content: bytes = b"") -> bool:
    """Create something where nothing is, and return whether that was so; the directory around it exists.

    `content` is that of a file.  Raises OSError, and Unsafe.
    """
    directory, name = os.path.split(made.path)
    around = open_directory(root, directory, os.O_PATH)
    try:
        with _as_owner(around, made):
            return _make(around, name, made, content)
    finally:
        os.close(around)


@contextlib.contextmanager
def _as_owner(around: int, made: Made) -> Iterator[None]:
    """Be the one who may make something in a directory, without rights that its owner lacks."""
    facts = os.fstat(around)
    if facts.st_uid == 0:
        if facts.st_mode & stat.S_IWOTH and not facts.st_mode & stat.S_ISVTX:
            raise Unsafe(f"{to_text(os.path.dirname(made.path))} is writable by everybody")
        yield
        return
    if facts.st_uid != made.owner.uid:
        raise Unsafe(f"{to_text(os.path.dirname(made.path))} belongs to another user (uid {facts.st_uid})")
    libc.setfsids(made.owner.uid, made.owner.gid)
    try:
        yield
    finally:
        libc.setfsids(0, 0)


def _make(around: int, name: bytes, made: Made, content: bytes) -> bool:
    before = os.umask(0o077)
    try:
        if made.kind is Kind.LINK:
            os.symlink(made.target, name, dir_fd=around)
            return True
        if made.kind is Kind.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=around)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=around)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name, flags, 0o600, dir_fd=around)
    except FileExistsError:
        return False
    finally:
        os.umask(before)
    try:
        if content:
            os.write(fd, content)
        _give(around, fd, made)
    finally:
        os.close(fd)
    return True


def _give(around: int, fd: int, made: Made) -> None:
    """Give owner and mode to what was made.  Where the directory is a user's, it is that user's already."""
    facts = os.fstat(fd)
    if os.fstat(around).st_uid == 0:
        os.fchown(fd, made.owner.uid, made.owner.gid)
    elif facts.st_uid != made.owner.uid:
        raise OSError(errno.ESTALE, "somebody has put something else there", made.path)
    os.fchmod(fd, made.owner.mode)
