"""The replacement of a file so that a crash leaves the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os

from ..text import to_text


def replace(path: bytes, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file, sync it, rename it over `path`, and sync the directory.

    Raises OSError, and the old file is then still in place.
    """
    directory, name = os.path.split(path)
    directory_fd = os.open(directory or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    temporary = b"." + name[:200] + b".%d.new" % os.getpid()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory_fd)
        fd = os.open(temporary, flags, mode, dir_fd=directory_fd)
        try:
            with open(fd, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, name, src_dir_fd=directory_fd, dst_dir_fd=directory_fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory_fd)
            raise OSError(error.errno, error.strerror, to_text(path)) from error
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
