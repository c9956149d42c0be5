"""What was at paths that a link has taken the place of: it stays at the top of its volume until a wipe.

    VOLUME/.impermanence-originals/     root's alone
        JOB                             what the job of that number has put away, or is about to put there

Hard facts
    RENAME_EXCHANGE needs both names on the same mount of the same subvolume.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container

from ... import copying
from ...errors import UsageError
from ...kernel import libc, mounts
from ...model import Volume
from ...state import ORIGINALS
from ..closed import open_closed
from .live import Live

_TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def name_of(number: int) -> bytes:
    """Return the name of what a job has put away."""
    return b"%d" % number


def check(live: Live) -> None:
    """Raise UsageError for a path that cannot change places with what lies at the top of its volume."""
    volume = live.volume()
    if volume is None:
        return
    top = os.open(volume.mountpoint, _TOP)
    try:
        if mounts.mount_id(top) != mounts.mount_id(live.above):
            raise UsageError(
                f"{live.shown} is reached by another mount than that of the volume {volume.name}",
                "--method bind needs nothing of the kind",
            )
    finally:
        os.close(top)


def open_originals(volume: Volume, *, make: bool = True) -> int:
    """Return a descriptor on the directory of the originals of a volume.  Raises OSError."""
    top = os.open(volume.mountpoint, _TOP)
    try:
        return open_closed(top, ORIGINALS, make=make)
    finally:
        os.close(top)


def exchange(directory: int, name: bytes, live: Live) -> None:
    """Have what is at the path and what has a name among the originals change places, on the disk too."""
    libc.syncfs(directory)
    libc.renameat2(directory, name, live.above, live.name, libc.RENAME_EXCHANGE)
    libc.syncfs(directory)


def discard(live: Live, number: int) -> None:
    """Remove what a job that came to nothing has made among the originals."""
    if (volume := live.volume()) is not None:
        with contextlib.suppress(FileNotFoundError):
            directory = open_originals(volume, make=False)
            try:
                copying.remove(directory, name_of(number))
            finally:
                os.close(directory)


def remove_others(volume: Volume, jobs: Container[bytes]) -> None:
    """Remove the originals of jobs that nobody can undo any more."""
    with contextlib.suppress(FileNotFoundError):
        directory = open_originals(volume, make=False)
        try:
            for name in map(os.fsencode, os.listdir(directory)):
                if name not in jobs:
                    copying.remove(directory, name)
        finally:
            os.close(directory)
