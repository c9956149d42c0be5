"""A path of a volume as a difference, which the rules can judge, differing from the blank or not."""

from __future__ import annotations

import os
import stat

from ..kernel import openat2
from ..model import TYPES, Change, Difference, FileType, Volume


def difference_of(root: int, volume: Volume, path: bytes) -> Difference:
    """Return what the volume has at a path of its system; where there is nothing, that is an empty file.

    `root` is a descriptor of the volume.
    """
    target = None
    try:
        fd = openat2.open_path(root, volume.inside(path))
    except OSError:
        return Difference(path, FileType.FILE, Change.MODIFIED, ".......", 0, 0, 0, 0, 0, 0)
    try:
        facts = os.fstat(fd)
        kind = TYPES.get(stat.S_IFMT(facts.st_mode), FileType.FILE)
        if kind is FileType.SYMLINK:
            target = os.readlink(b"", dir_fd=fd)
    finally:
        os.close(fd)
    return Difference(
        path=path,
        type=kind,
        change=Change.MODIFIED,
        letters=".......",
        inode=facts.st_ino,
        size=facts.st_size,
        uid=facts.st_uid,
        gid=facts.st_gid,
        mode=stat.S_IMODE(facts.st_mode),
        mtime=facts.st_mtime_ns,
        target=target,
    )
