"""All that belongs to a file besides its content: owner, mode, times, extended attributes, flags.

Hard facts
    chown(2) clears set-user-ID bits and capabilities, so it comes first.  A mode's group bits are the mask of
    an ACL, so the ACL comes before the mode.  An immutable inode changes no more, so flags come last.
    What has no descriptor for reading (links, fifos, devices, sockets) is reached as /proc/self/fd/N of one
    with O_PATH: that is the inode itself, whatever is at its name by now.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ..kernel import inode_flags
from .outcome import Kind

_REFUSED = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS)
# What a new file has from its directory.
_INHERITED = ("system.posix_acl_access", "system.posix_acl_default", "btrfs.compression")
_LABEL = "security.selinux"  # never removed

Lose: TypeAlias = Callable[[Kind, str], None]
Where: TypeAlias = int | bytes  # a descriptor, or /proc/self/fd/N


def carry(
    source: Where, target: Where, facts: os.stat_result, lose: Lose, *, mine: bool, fresh: bool
) -> None:
    """Give a target the source's owner, extended attributes, mode and times.

    `mine` says that a new file has this owner already; `fresh` that it has no attribute that the source
    lacks.  What the filesystem or the kernel refuses is told to `lose`.
    """
    link = stat.S_ISLNK(facts.st_mode)
    try:
        if not mine:
            os.chown(target, facts.st_uid, facts.st_gid)
        if not fresh:
            _remove(target, {name for name in _names(target) if name != _LABEL} - set(_names(source)))
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))
        if not link:
            os.chmod(target, stat.S_IMODE(facts.st_mode))
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    except OSError:
        _carry_what_goes(source, target, facts, lose)


def _carry_what_goes(source: Where, target: Where, facts: os.stat_result, lose: Lose) -> None:
    """Do as `carry` does, one by one, where something was refused."""
    with losing(lose, Kind.OWNER):
        os.chown(target, facts.st_uid, facts.st_gid)
    for name in _names(source):
        with losing(lose, Kind.ATTRIBUTE, name):
            os.setxattr(target, name, os.getxattr(source, name))
    if not stat.S_ISLNK(facts.st_mode):
        with losing(lose, Kind.MODE):
            os.chmod(target, stat.S_IMODE(facts.st_mode))
    with losing(lose, Kind.TIMES):
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def clear(fd: int) -> None:
    """Take from a file or directory what it has from the directory above, and what keeps it from changing."""
    if inode_flags.read(fd) & inode_flags.ASKED:
        with contextlib.suppress(OSError):
            inode_flags.write(fd, 0)
    os.chmod(fd, 0o700)  # takes set-group-ID too
    _remove(fd, set(_names(fd)) & set(_INHERITED))


def set_flags(fd: int, flags: int, lose: Lose) -> None:
    """Give a file or directory its flags, if it has others."""
    if flags != inode_flags.read(fd) & inode_flags.ASKED:
        with losing(lose, Kind.FLAGS):
            inode_flags.write(fd, flags)


@contextlib.contextmanager
def losing(lose: Lose, kind: Kind, detail: str = "") -> Iterator[None]:
    """Tell what the filesystem or the kernel refuses; a file that cannot be written stays an error."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        lose(kind, f"{detail}: {error.strerror}" if detail else error.strerror or "")


def _remove(where: Where, names: set[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):  # whoever compares the copies will see it
            os.removexattr(where, name)


def _names(where: Where) -> list[str]:
    """Return the names of the extended attributes of a file; none where the filesystem has none."""
    try:
        return os.listxattr(where)
    except OSError as error:
        if error.errno in _REFUSED:
            return []
        raise
