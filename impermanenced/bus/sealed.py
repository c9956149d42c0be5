"""Files in memory that the bus carries, sealed so that their reader can rely on the content.

Hard facts
    Descriptors that were passed on share one position in the file; one that was opened anew has its own.
    A write lease (F_SETLEASE, fcntl(2)) is given only if nobody else has the file open: no descriptor of
    another opening, no mapping, no message that carries one.  So who made a file can tell when its last
    reader is done.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable

# fcntl.h
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

_BLOCK = 512  # bytes of a block in stat(2)


def sealed_file(pieces: Iterable[str]) -> int:
    """Return a descriptor of a sealed file in memory with these texts; the caller closes it."""
    fd = os.memfd_create("report", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            stream.writelines(pieces)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:  # the pieces are made while they are written, and may raise anything
        os.close(fd)
        raise
    return fd


def opened(fd: int) -> int:
    """Return another descriptor of a file, to be read from its start; the caller closes it."""
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)


class SealedFile:
    """A sealed file that this process keeps, and opens anew for each of its readers.  Close it."""

    def __init__(self, fd: int) -> None:
        """Keep the file; the descriptor is this object's from now on."""
        try:
            self._fd = opened(fd)  # a lease needs a descriptor that cannot write
        finally:
            os.close(fd)
        self.size = os.fstat(self._fd).st_blocks * _BLOCK  # bytes of memory

    def reader(self) -> int:
        """Return a descriptor for one reader; the caller closes it when it is passed on."""
        return opened(self._fd)

    def in_use(self) -> bool:
        """Tell whether anybody else has the file open."""
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return True
        fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
