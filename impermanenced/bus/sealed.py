"""Files in memory that the bus carries, sealed so that their reader can rely on the content."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

# fcntl.h
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed_file(pieces: Iterable[str]) -> int:
    """Return a descriptor of a sealed file in memory with these texts; the caller closes it."""
    fd = os.memfd_create("report", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            stream.writelines(pieces)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd
