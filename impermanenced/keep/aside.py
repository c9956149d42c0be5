"""What a program left beside a mounted file, because the kernel let it put nothing in its place.

Hard facts
    rename(2) over a mount point gives EBUSY.  A program that writes a new file and renames it over the old
    one (wpa_supplicant, useradd, fish, most editors) then fails; many leave the new file where it is.
    The name of that has the old one's in it, and it is younger.  What a program keeps as a backup is not: it
    was the content before the file was written.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..kernel import openat2

MOST = 10_000  # names in a directory that are looked at
# What editors and programs keep beside a file while they work on it.
_BESIDE = (b".swp", b".swo", b".swx", b".lock", b".lck", b".pid", b".bak", b".old", b".orig", b"-", b"#")


def left_aside(root: int, path: bytes, mounted: os.stat_result) -> bytes | None:
    """Return the name of a file beside a path that is a younger version of what is mounted there, or None.

    `root` is a descriptor of the system's root.
    """
    directory, _, base = path.rpartition(b"/")
    found: list[tuple[int, bytes]] = []
    try:
        fd = openat2.open_directory(root, directory, os.O_RDONLY)
    except OSError:
        return None
    try:
        for name in map(os.fsencode, os.listdir(fd)[:MOST]):
            if base in name and name != base and not name.endswith(_BESIDE):
                with contextlib.suppress(OSError):
                    facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    if _is_newer(facts, mounted):
                        found.append((facts.st_mtime_ns, name))
    except OSError:
        return None
    finally:
        os.close(fd)
    return max(found)[1] if found else None


def _is_newer(facts: os.stat_result, mounted: os.stat_result) -> bool:
    # A link, or the mount of another declared file, is nothing that was left.
    regular = stat.S_ISREG(facts.st_mode) and facts.st_size > 0 and facts.st_uid == mounted.st_uid
    return regular and facts.st_dev != mounted.st_dev and facts.st_mtime_ns > mounted.st_mtime_ns
