"""What tells whether the files of the configuration were edited since they were read."""

from __future__ import annotations

import contextlib
import os

from .load import DROP_INS

Fingerprint = tuple[tuple[bytes, int, int, int], ...]  # path, mtime, inode and size of each file


def fingerprint(file: bytes, drop_ins: bool) -> Fingerprint:
    """Return what differs once the file or, where wanted, one of its drop-ins was edited."""
    directory = os.path.join(os.path.dirname(os.path.abspath(file)), DROP_INS)
    files = [file]
    if drop_ins:
        with contextlib.suppress(OSError):
            files += sorted(os.path.join(directory, name) for name in os.listdir(directory))
    found = []
    for path in files:
        with contextlib.suppress(OSError):
            facts = os.stat(path)
            found.append((path, facts.st_mtime_ns, facts.st_ino, facts.st_size))
    return tuple(found)
