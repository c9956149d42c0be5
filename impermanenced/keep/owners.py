"""The owners of what persists: a uid that no account has is somebody else's as soon as one gets it."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator

import btrfsutil

from ..boots.doctor import WARNING, Finding
from ..kernel import btrfs
from ..report.report import Manager
from ..system.subids import SubordinateIds
from ..text import to_text
from ..volumes.machine import system_root

MOST = 2_000_000  # items of a tree that are looked at
NAMED = 5  # owners that are named

# systemd's own (nss-systemd(8), uid ranges): users that exist while their service runs, homes, containers.
_PASSING = (range(60001, 65520), range(65534, 65536), range(524288, 1879048192))


def examine(manager: Manager) -> list[Finding]:
    """Return who owns something in a persist volume without an account; of the running system alone."""
    if system_root(manager.volumes) != b"/":
        return []
    return [found for path in manager.config.persist for found in _of(manager, path)]


def _of(manager: Manager, path: bytes) -> Iterator[Finding]:
    with contextlib.suppress(OSError, btrfsutil.BtrfsUtilError):  # it is not there, or no BTRFS
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if btrfs.fs_info(fd)[0] != manager.machine.filesystem:
                return
            tree = btrfs.Tree(fd, int(btrfsutil.subvolume_id(fd)))
            owners = btrfs.owners(tree, MOST)
            strangers = [uid for uid in sorted(owners) if _is_nobody(uid)]
            places = [(uid, _place(tree, owners[uid])) for uid in strangers[:NAMED]]
        finally:
            os.close(fd)
        if strangers:
            words = ", ".join(f"{uid} ({to_text(path + place)})" for uid, place in places)
            more = f" and {len(strangers) - NAMED} more" if len(strangers) > NAMED else ""
            yield Finding(
                WARNING,
                f"files in {to_text(path)} belong to uids that no account has: {words}{more}. The next "
                "account that gets such a uid owns them",
                "make the accounts with these uids again, or give the files to others (chown)",
            )


def _is_nobody(uid: int) -> bool:
    if any(uid in one for one in _PASSING) or SubordinateIds().owner(uid) != uid:
        return False
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return True
    return False


def _place(tree: btrfs.Tree, inode: int) -> bytes:
    names = tree.names(inode)
    return tree.path(names[0][0]) + b"/" + names[0][1] if names else b""
