"""Directories that root alone can enter, beside those of others: nobody else changes what is made there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..kernel import openat2
from ..text import to_text
from .strays import DIRECTORY


def open_closed(above: int, name: bytes, *, make: bool = True) -> int:
    """Return a descriptor on a directory of root's alone, with `make` made where it is not.

    Raises OSError: EPERM if it, or the directory that it lies in, is somebody else's or open to others.
    """
    if make:
        facts = os.fstat(above)
        if facts.st_uid != 0 or facts.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others than root may change the directory around it", name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
    fd = openat2.open_entry(above, name, DIRECTORY)
    facts = os.fstat(fd)
    if facts.st_uid != 0 or stat.S_IMODE(facts.st_mode) & 0o077:
        os.close(fd)
        raise PermissionError(errno.EPERM, f"{to_text(name)} is not root's alone", name)
    return fd
