"""The content of a regular file: shared where the two files can share, else copied with its holes.

Hard facts
    SEEK_DATA is ENXIO behind the last data.  copy_file_range(2) may copy less than it was asked to, and
    nothing at the end of the file; between some filesystems it is EXDEV, and from files of the kernel EINVAL.
"""

from __future__ import annotations

import errno
import os

from ..kernel import extents
from .outcome import Meter

_PIECE = 8 << 20  # bytes between two looks at whether to stop
_BUFFER = 1 << 20
_NOT_THESE_TWO = (errno.EINVAL, errno.ETXTBSY, errno.EPERM, errno.EACCES)
_NEVER_HERE = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS)


class Content:
    """The way in which content gets from one tree into another; what was refused once is not tried again."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._share = self._in_kernel = True

    def fill(self, source: int, target: int, size: int) -> None:
        """Fill a new empty file with the content of a file of this size."""
        if size == 0:
            return
        if self._share:
            try:
                extents.clone(source, target)
            except OSError as error:
                if error.errno in _NEVER_HERE:
                    self._share = False
                elif error.errno not in _NOT_THESE_TWO:
                    raise
            else:
                self._meter.shared += size
                self._meter.add(size)
                return
        self._copy(source, target, size)

    def _copy(self, source: int, target: int, size: int) -> None:
        at = 0
        while at < size:
            start, end = _next_data(source, at, size)
            self._meter.add(start - at)
            while start < end:
                copied = self._piece(source, target, start, min(_PIECE, end - start))
                if not copied:  # the file became shorter
                    end = size = start
                    break
                self._meter.add(copied)
                start += copied
            at = end
        os.ftruncate(target, size)

    def _piece(self, source: int, target: int, at: int, count: int) -> int:
        """Copy up to so many bytes, and return how many these were."""
        if self._in_kernel:
            try:
                return os.copy_file_range(source, target, count, at, at)
            except OSError as error:
                if error.errno not in (*_NEVER_HERE, *_NOT_THESE_TWO):
                    raise
                self._in_kernel = error.errno not in _NEVER_HERE
        data = os.pread(source, min(_BUFFER, count), at)
        written = 0
        while written < len(data):
            written += os.pwrite(target, memoryview(data)[written:], at + written)
        return written


def _next_data(fd: int, at: int, size: int) -> tuple[int, int]:
    """Return where the next data begins and ends; (size, size) if only a hole follows."""
    try:
        start = os.lseek(fd, at, os.SEEK_DATA)
        return min(start, size), min(os.lseek(fd, start, os.SEEK_HOLE), size)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        if error.errno == errno.EINVAL:  # a filesystem that knows no holes
            return at, size
        raise
