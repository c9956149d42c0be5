"""The way to a path in another life of its volume, in which the directories above it may be missing."""

from __future__ import annotations

import os
import stat

from ...boots.records.job import Job
from ...errors import ImpermanenceError
from ...text import to_text
from .. import approach
from .ground import Ground
from .store import Store

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(ground: Ground, store: Store, job: Job, *, place: bool) -> None:
    """Make the directories above a path, as those of the persist volume are; with `place` also what it is
    mounted over.

    Raises ImpermanenceError where somebody else than root may write, who could redirect it.
    """
    at = os.open(ground.root, _DIRECTORY)
    try:
        done = b""
        *above, last = job.path.split(b"/")[1:]
        for name in above:
            done += b"/" + name
            below = _enter(at, name, done, store)
            os.close(at)
            at = below
        if place and not _is_there(at, last):
            _refuse_others(at, job.path)
            if job.directory:
                os.mkdir(last, 0o755, dir_fd=at)
            else:
                os.close(os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=at))
    finally:
        os.close(at)


def _enter(at: int, name: bytes, path: bytes, store: Store) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=at)
    except FileNotFoundError:
        _refuse_others(at, path)
        opened, found = approach.walk(store.top, path)
        os.close(opened)
        like = found[-1]
        os.mkdir(name, 0o700, dir_fd=at)
        os.chown(name, like.st_uid, like.st_gid, dir_fd=at, follow_symlinks=False)
        os.chmod(name, stat.S_IMODE(like.st_mode), dir_fd=at)
        return os.open(name, _DIRECTORY, dir_fd=at)


def _is_there(at: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _refuse_others(at: int, path: bytes) -> None:
    facts = os.fstat(at)
    if facts.st_uid != 0 or facts.st_mode & 0o022:
        raise ImpermanenceError(
            f"{to_text(path)} is gone, and others than root may write to the directory that it was in",
            "make the directory again, and run the command once more",
        )
