"""What a program left beside a mounted file, because the kernel let it put nothing in its place.

Hard facts
    rename(2) over a mount point gives EBUSY.  A program that writes a new file and renames it over the old
    one (wpa_supplicant, useradd, fish, most editors) then fails; many leave the new file where it is.
    It is named after the old one, as mkstemp(3) does, and it is younger.  What a program keeps as a backup
    is not: it was the content before the file was written.
"""

from __future__ import annotations

import contextlib
import os
import stat

from ..kernel import openat2
from ..lazy import regex

MOST = 10_000  # names in a directory that are looked at
# What is before and behind the old file's name: .tmp, +, six random characters; systemd begins with ".#".
_BEFORE = (b"", b".", b".#")
_BEHIND = regex(rb"[.+~_-]?(?:[\w-]*\.)?(?:tmp|temp|new|part)[\w.-]*|[.-]?(?=\w*[A-Z0-9])\w{6,}|[+~]")


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
            if _is_named_after(name, base):
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


def _is_named_after(name: bytes, base: bytes) -> bool:
    """Return whether a program may have made a file of this name to put it in the place of another."""
    for before in _BEFORE:
        if name.startswith(before + base) and _BEHIND.fullmatch(name[len(before + base) :]):
            return True
    return False
