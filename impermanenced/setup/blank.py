"""The first blank: the running root as it is, without what every boot gets from elsewhere.

It is made under another name, and gets its own when it is whole and read-only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

import btrfsutil

from .. import copying
from ..errors import ImpermanenceError
from ..kernel import btrfs, mounts, openat2
from ..kernel.btrfs import delete as kernel
from ..text import to_text
from ..volumes.machine import Machine
from .whitelist import CONFIGURATION

_EMPTIED = (b"/tmp", b"/var/tmp")
_UNFINISHED = b".setup"


def make(machine: Machine, root: bytes, blank: bytes) -> None:
    """Make the blank, unless it is there; both are paths from the top level.

    What a run that was cut has left of it is made anew.
    """
    if machine.is_subvolume(blank):
        return
    unfinished = blank + _UNFINISHED
    _discard(machine, unfinished)
    try:
        btrfsutil.create_snapshot(machine.at(root), machine.at(unfinished))
    except btrfsutil.BtrfsUtilError as error:
        raise OSError(error.errno, error.strerror, root) from error
    fd = os.open(machine.at(unfinished), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _clean(fd, [mount.path for mount in mounts.read() if mount.path != b"/"])
        _fill_stubs(machine, fd)
        _check(fd)
    finally:
        os.close(fd)
    machine.sync()
    btrfsutil.set_subvolume_read_only(machine.at(unfinished), True)
    os.rename(machine.at(unfinished), machine.at(blank))
    machine.sync()


def _discard(machine: Machine, path: bytes) -> None:
    if not os.path.lexists(machine.at(path)):
        return
    if not machine.is_subvolume(path):
        raise ImpermanenceError(f"{to_text(path)} at the top level is not a subvolume", "move it away")
    kernel.snap_destroy(machine.top, int(btrfsutil.subvolume_id(machine.at(path))))


def _clean(root: int, places: Iterable[bytes]) -> None:
    """Empty what lies under mounts, and what is for this boot only.

    The configuration stays: it is the same as the one that is kept, and there if that is not.
    """
    for place in {*places, *_EMPTIED} - {CONFIGURATION}:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            facts = openat2.facts(root, place)
            if stat.S_ISREG(facts.st_mode):
                os.truncate(b"/proc/self/fd/%d%s" % (root, place), 0)
            elif stat.S_ISDIR(facts.st_mode):
                _empty(root, place)


def _empty(root: int, place: bytes) -> None:
    fd = openat2.open_directory(root, place, os.O_RDONLY)
    try:
        facts = os.fstat(fd)
        for name in os.listdir(fd):
            copying.remove(fd, os.fsencode(name))
        os.utime(fd, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    finally:
        os.close(fd)


def _fill_stubs(machine: Machine, root: int) -> None:
    """Make a plain directory of each place where a subvolume is nested in the root: nobody can write into
    what a snapshot has there.
    """
    tree = btrfs.Tree(machine.top, int(btrfsutil.subvolume_id(root)))
    machine.sync()
    for directory, name, _ in list(tree.subvolume_entries()):
        above = tree.path(directory)
        fd = openat2.open_directory(root, above or b".", os.O_RDONLY)
        try:
            os.rmdir(name, dir_fd=fd)
            os.mkdir(name, 0o755, dir_fd=fd)
            _like_the_original(above + b"/" + name, fd, name)
        finally:
            os.close(fd)


def _like_the_original(path: bytes, fd: int, name: bytes) -> None:
    with contextlib.suppress(OSError):
        facts = os.lstat(path)
        os.chown(name, facts.st_uid, facts.st_gid, dir_fd=fd, follow_symlinks=False)
        os.chmod(name, stat.S_IMODE(facts.st_mode), dir_fd=fd)


def _check(root: int) -> None:
    """Raise ImpermanenceError if the blank lacks what a boot cannot do without."""
    for path in (b"etc/fstab", b"usr"):
        try:
            openat2.facts(root, path)
        except OSError as error:
            raise ImpermanenceError(f"the new blank lacks /{to_text(path)}: {error.strerror}") from None
