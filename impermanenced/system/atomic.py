"""The replacement of a file so that a crash leaves the old one or the new one, whole.

Hard facts
    fsync(2) of a directory writes a part of the transaction to BTRFS's log, which is replayed after a crash.
    Replaying renames had faults up to Linux 7.0: a renamed link that was not there, a filesystem that did not
    mount.  A whole commit (syncfs) needs no replay, so whatever was renamed is committed like that.
    What fsync(2) of a new file has written is safe: no rename is in it.
"""

from __future__ import annotations

import contextlib
import os
import re

from ..kernel import libc
from ..lazy import regex

_LONGEST = 200  # bytes of a name that its temporary one begins with
_TEMPORARY = regex(rb"\..+\.([1-9][0-9]*)\.new", re.DOTALL)


def replace(path: bytes, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file, sync it, rename it over `path`, and sync the filesystem.

    What a process left that was killed while it replaced the same file is removed.  Raises OSError about
    `path`, and the old file is then still in place.
    """
    directory, name = os.path.split(path)
    temporary = b"." + name[:_LONGEST] + b".%d.new" % os.getpid()
    try:
        directory_fd = os.open(directory or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                for left in leftovers(directory or b"."):
                    if left.startswith(b"." + name[:_LONGEST] + b"."):
                        _remove(directory_fd, left)
                _remove(directory_fd, temporary)
                _write(directory_fd, temporary, content, mode)
                os.rename(temporary, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=directory_fd)
                raise
            libc.syncfs(directory_fd)
        finally:
            os.close(directory_fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _write(directory_fd: int, name: bytes, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, mode, dir_fd=directory_fd), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _remove(directory_fd: int, name: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory_fd)


def leftovers(directory: bytes) -> list[bytes]:
    """Return the names in a directory that `replace` left there because its process was killed."""
    found = []
    for name in sorted(os.listdir(directory)):
        match = _TEMPORARY.fullmatch(name)
        if match is not None and not os.path.exists(b"/proc/" + match[1]):
            found.append(name)
    return found
