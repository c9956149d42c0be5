"""The comparison of a copy with its source, without trust in how the copy was made."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from ..kernel import btrfs, extents, inode_flags, openat2
from ..lazy import NamedTuple
from .descent import Descent, Level, is_subvolume, open_quietly
from .outcome import Meter, Progress, ignore, never

MOST = 100  # differences that are named
_READ_UP_TO = 64 << 10  # bytes that are read sooner than their places on the disk are asked for
_PIECE = 1 << 20
_OPENED = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME
_NAME = os.O_PATH | os.O_NOFOLLOW


class Difference(NamedTuple):
    """What one name of two trees differs in: absent, other, type, content, target, device, mode, owner,
    times, attributes, flags, links, mount.
    """

    path: bytes  # relative to the tree
    what: str


def verify(
    source: int,
    name: bytes,
    target: int,
    as_name: bytes,
    *,
    progress: Callable[[Progress], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> tuple[Difference, ...]:
    """Return what differs between two trees, the first MOST of it; nothing if the copy is the source.

    Compared is all that `copy` carries over, but for the times of access.  Content is read unless both
    files have the same places on the disk.  Raises OSError, and Cancelled.
    """
    work = _Verify(Meter(progress, cancelled), share(source, target))
    try:
        work.run(source, name, target, as_name)
    finally:
        work.descent.close()
    return tuple(work.found[:MOST])


class _Verify:
    def __init__(self, meter: Meter, share: bool) -> None:
        self.found: list[Difference] = []
        self.descent = Descent()
        self._meter = meter
        self._share = share  # whether places on the disk can be compared
        self._links: dict[tuple[int, int], tuple[int, int]] = {}

    def run(self, source: int, name: bytes, target: int, as_name: bytes) -> None:
        self._entry(source, name, target, as_name)
        while self.descent and len(self.found) < MOST:
            if not self.descent.top.below:
                self.descent.leave()
                continue
            below = self.descent.top.below.pop()
            self._entry(*_twice(self.descent, below))

    def _differ(self, name: bytes, what: str) -> None:
        self.found.append(Difference(b"/".join(self.descent.names(name)), what))

    def _entry(self, source: int, name: bytes, target: int, as_name: bytes) -> None:
        """Compare one name of both trees, and go down if it is a directory."""
        fds: list[int] = []
        try:
            for at, called in ((source, name), (target, as_name)):
                fds.append(_open(at, called))
            one, two = map(os.fstat, fds)
            self._facts(name, one, two)
            if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
                return
            self._attributes(name, one, *fds)
            if stat.S_ISREG(one.st_mode):
                self._content(name, one, two, *fds)
            elif stat.S_ISLNK(one.st_mode) and _pointed(fds[0]) != _pointed(fds[1]):
                self._differ(name, "target")
            if stat.S_ISDIR(one.st_mode) and not self._snapshot(source, one, target, two):
                self._enter(name, one, fds)
                fds = []
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EXDEV):
                raise
            self._differ(name, "mount" if error.errno == errno.EXDEV else "absent")
        finally:
            for fd in fds:
                os.close(fd)
        self._meter.count()

    def _enter(self, name: bytes, facts: os.stat_result, fds: list[int]) -> None:
        level = Level(name, (fds[0], fds[1]), facts, fresh=False)
        self.descent.enter(level)
        ours = set(map(os.fsencode, os.listdir(fds[0])))
        for other in set(map(os.fsencode, os.listdir(fds[1]))) - ours:
            self._differ(other, "other")
        level.below.extend(ours)

    def _facts(self, name: bytes, one: os.stat_result, two: os.stat_result) -> None:
        if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
            self._differ(name, "type")
            return
        if one.st_mode != two.st_mode:
            self._differ(name, "mode")
        if (one.st_uid, one.st_gid) != (two.st_uid, two.st_gid):
            self._differ(name, "owner")
        if one.st_mtime_ns != two.st_mtime_ns:
            self._differ(name, "times")
        if one.st_rdev != two.st_rdev:
            self._differ(name, "device")
        if one.st_nlink > 1 and not stat.S_ISDIR(one.st_mode):
            known = self._links.setdefault((one.st_dev, one.st_ino), (two.st_dev, two.st_ino))
            if known != (two.st_dev, two.st_ino):
                self._differ(name, "links")

    def _attributes(self, name: bytes, facts: os.stat_result, one: int, two: int) -> None:
        if _xattrs(one) != _xattrs(two):
            self._differ(name, "attributes")
        has_flags = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
        if has_flags and (inode_flags.read(one) ^ inode_flags.read(two)) & inode_flags.ASKED:
            self._differ(name, "flags")

    def _content(
        self, name: bytes, one: os.stat_result, two: os.stat_result, source: int, target: int
    ) -> None:
        if one.st_size != two.st_size:
            self._differ(name, "content")
            return
        if self._share and one.st_size > _READ_UP_TO and _shared(source, target):
            self._meter.add(one.st_size)
            return
        at = 0
        while at < one.st_size:
            piece = os.pread(source, _PIECE, at)
            if piece != os.pread(target, _PIECE, at):
                self._differ(name, "content")
                return
            if not piece:
                return
            at += len(piece)
            self._meter.add(len(piece))

    def _snapshot(self, source: int, one: os.stat_result, target: int, two: os.stat_result) -> bool:
        """Return whether both are nested subvolumes: one is then a snapshot of the other."""
        return is_subvolume(one, source) and is_subvolume(two, target)


def _twice(descent: Descent, name: bytes) -> tuple[int, bytes, int, bytes]:
    source, target = descent.fds
    return source, name, target, name


def _open(directory_fd: int, name: bytes) -> int:
    """Return a descriptor on an entry: one for reading, or one that only names it."""
    mode = os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        return open_quietly(directory_fd, name)
    flags = _OPENED if stat.S_ISREG(mode) else _NAME
    try:
        return openat2.open_entry(directory_fd, name, flags)
    except PermissionError:
        return openat2.open_entry(directory_fd, name, flags & ~os.O_NOATIME)


def _pointed(fd: int) -> bytes:
    return os.readlink(b"", dir_fd=fd)


def _xattrs(fd: int) -> dict[str, bytes]:
    where = b"/proc/self/fd/%d" % fd
    try:
        return {name: os.getxattr(where, name) for name in os.listxattr(where)}
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
            return {}
        raise


def share(source: int, target: int) -> bool:
    """Return whether two directories are on one BTRFS, so that files can share content."""
    try:
        return btrfs.fs_info(source)[0] == btrfs.fs_info(target)[0]
    except OSError:
        return False


def _shared(source: int, target: int) -> bool:
    """Return whether two files of one size have all their content at the same places."""
    theirs = extents.extents(target)
    for extent in extents.extents(source):
        if not extent.placed or next(theirs, None) != extent:
            return False
    return next(theirs, None) is None
