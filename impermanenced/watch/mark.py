"""The mark by which the kernel queues the events of a whole filesystem."""

from __future__ import annotations

import contextlib
import os

from ..kernel import fanotify

# What tells who made a file, wrote to it or removed it.
ESSENTIAL = (
    fanotify.FAN_CREATE
    | fanotify.FAN_DELETE
    | fanotify.FAN_MOVED_TO
    | fanotify.FAN_CLOSE_WRITE
    | fanotify.FAN_ONDIR
)
# What is taken off while very much is written.  Of each event the writer pays for a quarter of what making a
# small file costs, merged or not; one that does not happen costs nothing, so deletions may stay.
OPTIONAL = (
    fanotify.FAN_ATTRIB
    | fanotify.FAN_MODIFY  # a log or a database that stays open has no close for weeks
)
MASK = ESSENTIAL | OPTIONAL


def open_fanotify(mount_fd: int) -> int:
    """Return a descriptor that watches the whole filesystem of a top-level mount.

    Raises OSError where the kernel refuses that.
    """
    flags = fanotify.FAN_CLASS_NOTIF | fanotify.FAN_CLOEXEC | fanotify.FAN_NONBLOCK
    fan = fanotify.init(flags | fanotify.FAN_REPORT_DFID_NAME_TARGET)
    try:
        fanotify.mark(fan, fanotify.FAN_MARK_ADD | fanotify.FAN_MARK_FILESYSTEM, MASK, mount_fd)
    except BaseException:
        os.close(fan)
        raise
    return fan


def ask_for_all(fan: int, mount_fd: int, everything: bool) -> None:
    """Ask the kernel for everything again, or for what is essential alone.  Raises OSError."""
    how = fanotify.FAN_MARK_ADD if everything else fanotify.FAN_MARK_REMOVE
    fanotify.mark(fan, how | fanotify.FAN_MARK_FILESYSTEM, OPTIONAL, mount_fd)


def adopt_fanotify(fan: int, mount_fd: int) -> bool:
    """Tell whether a descriptor that another program made watches the filesystem of a top-level mount as
    `open_fanotify` does, and no other one.

    Otherwise it is closed, whatever it is.
    """
    try:
        os.set_inheritable(fan, False)
        fanotify.mark(fan, fanotify.FAN_MARK_ADD | fanotify.FAN_MARK_FILESYSTEM, MASK, mount_fd)
        if fanotify.count_marks(fan) == 1:  # the one that was there is that of this filesystem
            return True
    except OSError:  # it is no such descriptor
        pass
    with contextlib.suppress(OSError):
        os.close(fan)
    return False
