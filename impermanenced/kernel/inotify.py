"""Reading inotify(7) events of directories.  Names and numbers are those of linux/inotify.h.

Hard facts
    A watch is on an inode: a directory that was renamed is watched at its new place.
    An event about a name in a directory carries the name; one about the directory itself carries none.
    IN_IGNORED says that a watch has ended, because it was removed or what it watched has gone.
    A queue that is full ends in one event with IN_Q_OVERFLOW and the descriptor -1.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from ..lazy import NamedTuple
from . import libc

IN_MODIFY = 0x00000002
IN_ATTRIB = 0x00000004
IN_CLOSE_WRITE = 0x00000008
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_Q_OVERFLOW = 0x00004000
IN_IGNORED = 0x00008000
IN_ONLYDIR = 0x01000000

_EVENT = struct.Struct("=iIII")  # wd, mask, cookie, len; a name of `len` bytes follows
_READ_SIZE = 16 << 10


class Event(NamedTuple):
    """One event: the watch, its kind, and the name in the watched directory, empty for the directory."""

    watch: int
    mask: int
    name: bytes


def init() -> int:
    """Return a descriptor without watches, which never blocks; the caller closes it."""
    return libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)


def add_watch(fd: int, directory: bytes, mask: int) -> int:
    """Watch a directory and return the number of the watch."""
    return libc.inotify_add_watch(fd, directory, mask | IN_ONLYDIR)


def rm_watch(fd: int, watch: int) -> None:
    libc.inotify_rm_watch(fd, watch)


def read(fd: int) -> Iterator[Event]:
    """Yield the events of one read, none where none waits."""
    try:
        buffer = os.read(fd, _READ_SIZE)
    except BlockingIOError:
        return
    at = 0
    while at < len(buffer):
        watch, mask, _, length = _EVENT.unpack_from(buffer, at)
        at += _EVENT.size
        yield Event(watch, mask, buffer[at : at + length].rstrip(b"\0"))
        at += length
