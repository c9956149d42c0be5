"""A file that gets another one's content and attributes in place, where it cannot be replaced."""

from __future__ import annotations

import os
import stat

from ..errors import ImpermanenceError
from ..kernel import inode_flags, openat2
from ..text import to_text
from . import attributes
from .content import Content
from .outcome import Kind, Meter, ignore, never


def refill(source: int, name: bytes, target: int, as_name: bytes) -> None:
    """Give a regular file all that the source's file has; it stays the same inode.

    A cut leaves it half done.  Raises OSError, and ImpermanenceError for what cannot be carried over.
    """
    found = openat2.open_entry(source, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(found)
        copied = openat2.open_entry(target, as_name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(facts.st_mode) or not stat.S_ISREG(os.fstat(copied).st_mode):
                raise ImpermanenceError(f"{to_text(name)} is no longer a regular file")
            os.ftruncate(copied, 0)
            attributes.clear(copied)
            flags = inode_flags.read(found) & inode_flags.ASKED
            if flags & inode_flags.FS_NOCOW_FL:
                inode_flags.write(copied, inode_flags.FS_NOCOW_FL)
            Content(Meter(ignore, never)).fill(found, copied, facts.st_size)
            attributes.carry(found, copied, facts, _refuse, mine=False, fresh=False)
            attributes.set_flags(copied, flags, _refuse)
        finally:
            os.close(copied)
    finally:
        os.close(found)


def _refuse(kind: Kind, detail: str) -> None:
    raise ImpermanenceError(f"{kind} cannot be carried over: {detail}")
