"""What the bus carries as a file: sealed, so that its reader can rely on what it reads."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

# fcntl.h
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed_file(pieces: Iterable[str]) -> int:
    """The descriptor of a file in memory that holds these texts; the caller's to close."""
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
