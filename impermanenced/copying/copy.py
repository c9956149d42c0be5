"""The copy of a tree."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial

from ..kernel import inode_flags, openat2
from . import attributes, links, nested
from .content import Content
from .descent import DIRECTORY, Descent, Level, is_subvolume
from .links import Links
from .outcome import Kind, Meter, Progress, Result, ignore, never
from .remove import remove

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME
_NAME = os.O_PATH | os.O_NOFOLLOW
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy(
    source: int,
    name: bytes,
    target: int,
    as_name: bytes,
    *,
    progress: Callable[[Progress], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> Result:
    """Make `as_name` in one open directory what `name` in another one is; the package says how.

    Both directories are open for reading.  Raises OSError (its file is relative to the tree) if anything
    cannot be read or written, and Cancelled; what was copied until then stays, and the next call goes on.
    """
    meter = Meter(progress, cancelled)
    work = _Copy(meter, target)
    try:
        work.run(source, name, target, as_name)
    finally:
        work.close()
    return meter.result()


class _Copy:
    def __init__(self, meter: Meter, mount: int) -> None:
        self._meter = meter
        self._mount = mount  # a descriptor on the target's filesystem
        self._content = Content(meter)
        self._links = Links()
        self._descent = Descent()
        self._mine = os.geteuid(), os.getegid()
        self._read = _READ
        self._at: tuple[bytes, ...] = ()  # the name that is copied, in the directory that is looked at

    def close(self) -> None:
        self._links.close()
        self._descent.close()

    def run(self, source: int, name: bytes, target: int, as_name: bytes) -> None:
        """Copy the whole tree."""
        try:
            facts = os.stat(name, dir_fd=source, follow_symlinks=False)
            self._entry(facts.st_mode, source, name, target, as_name, fresh=False)
            while self._descent:
                level = self._descent.top
                source, target = self._descent.fds
                if level.below:
                    below = level.below.pop()
                    self._at = (below,)
                    self._directory(source, below, target, below, fresh=level.fresh)
                else:
                    self._at = ()
                    self._finish(level, source, target)
                    self._descent.leave()
        except OSError as error:
            where = b"/".join((name, *self._descent.names(*self._at)))
            raise OSError(error.errno, error.strerror, where) from error
        for fd, flags in self._links.unlocked(self._mount):
            self._lock(fd, flags)

    def _entry(
        self, mode: int, source: int, name: bytes, target: int, as_name: bytes, *, fresh: bool
    ) -> None:
        if stat.S_ISDIR(mode):
            self._directory(source, name, target, as_name, fresh=fresh)
        elif stat.S_ISREG(mode):
            self._file(source, name, target, as_name, fresh=fresh)
        else:
            self._special(source, name, target, as_name, fresh=fresh)

    def _open(self, source: int, name: bytes, flags: int) -> int | None:
        """Return a descriptor of an entry of the source, or None if there is no such entry any more."""
        try:
            return openat2.open_entry(source, name, flags)
        except PermissionError:
            if not flags & os.O_NOATIME:
                raise
            self._read &= ~os.O_NOATIME  # the owner may, and root
            return self._open(source, name, flags & ~os.O_NOATIME)
        except OSError as error:
            if error.errno == errno.EXDEV:
                self._lose(name, Kind.MOUNT, "")
            elif error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                self._lose(name, Kind.VANISHED, "")
            else:
                raise
            return None

    def _lose(self, name: bytes, kind: Kind, detail: str) -> None:
        self._meter.lose(self._descent.names(name), kind, detail)

    # Directories

    def _directory(self, source: int, name: bytes, target: int, as_name: bytes, *, fresh: bool) -> None:
        """Make a directory, copy all in it but directories, and go down into it."""
        found = self._open(source, name, DIRECTORY | self._read & os.O_NOATIME)
        if found is None:
            return
        copied = -1
        try:
            facts = os.fstat(found)
            if is_subvolume(facts, source) and self._snapshot(found, name, target, as_name):
                os.close(found)
                return
            made = _make_directory(target, as_name)
            copied = os.open(as_name, DIRECTORY, dir_fd=target)
            fresh = fresh and made
            if not fresh:
                attributes.clear(copied)
            level = Level(name, (found, copied), facts, fresh=made)
        except BaseException:
            os.close(found)
            if copied >= 0:
                os.close(copied)
            raise
        self._descent.enter(level)
        self._at = ()
        self._meter.count()
        self._fill(level, found, copied)

    def _fill(self, level: Level, source: int, target: int) -> None:
        with os.scandir(source) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                self._at = (name,)
                if entry.is_file(follow_symlinks=False):
                    self._file(source, name, target, name, fresh=level.fresh)
                elif entry.is_dir(follow_symlinks=False):
                    level.below.append(name)
                else:
                    self._special(source, name, target, name, fresh=level.fresh)
        if not level.fresh:
            _remove_others(source, target)

    def _finish(self, level: Level, source: int, target: int) -> None:
        lose = partial(self._lose_here)
        attributes.carry(source, target, level.facts, lose, mine=False, fresh=level.fresh)
        attributes.set_flags(target, inode_flags.read(source) & inode_flags.ASKED, lose)

    def _lose_here(self, kind: Kind, detail: str) -> None:
        self._meter.lose(self._descent.names(), kind, detail)

    def _snapshot(self, found: int, name: bytes, target: int, as_name: bytes) -> bool:
        """Make a nested subvolume a snapshot of itself; return False where it has to become a directory."""
        remove(target, as_name)
        try:
            count = nested.snapshot(found, target, as_name)
        except OSError as error:
            if error.errno not in nested.CANNOT:
                raise
            remove(target, as_name)
            self._lose(name, Kind.SUBVOLUME, error.strerror or "")
            return False
        for _ in range(count):
            self._meter.count()
        return True

    # Files

    def _file(self, source: int, name: bytes, target: int, as_name: bytes, *, fresh: bool) -> None:
        found = self._open(source, name, self._read)
        if found is None:
            return
        try:
            facts = os.fstat(found)
            if not stat.S_ISREG(facts.st_mode):  # it became something else a moment ago
                self._lose(name, Kind.VANISHED, "")
                return
            if facts.st_nlink > 1 and self._link(facts, target, as_name, fresh=fresh):
                return
            flags = inode_flags.read(found)
            if flags & inode_flags.FS_VERITY_FL:
                self._lose(name, Kind.FLAGS, "fs-verity")
            kept = 0
            copied = None if fresh else _same(facts, target, as_name)
            if copied is None:
                copied = self._new(found, facts, flags, target, as_name, fresh=fresh)
            else:
                self._meter.kept += 1
                kept = facts.st_size
            try:
                self._end(name, facts, copied, flags & inode_flags.ASKED)
            finally:
                os.close(copied)
            self._meter.count(kept)
        finally:
            os.close(found)

    def _new(
        self, found: int, facts: os.stat_result, flags: int, target: int, as_name: bytes, *, fresh: bool
    ) -> int:
        """Return a descriptor on a new file that has everything but its flags."""
        if not fresh:
            remove(target, as_name)
        copied = os.open(as_name, _NEW, 0o600, dir_fd=target)
        try:
            if not fresh:
                attributes.clear(copied)
            if flags & inode_flags.FS_NOCOW_FL:
                attributes.set_flags(copied, inode_flags.FS_NOCOW_FL, partial(self._lose, as_name))
            self._content.fill(found, copied, facts.st_size)
            mine = fresh and (facts.st_uid, facts.st_gid) == self._mine
            attributes.carry(found, copied, facts, partial(self._lose, as_name), mine=mine, fresh=fresh)
        except BaseException:
            os.close(copied)
            raise
        return copied

    def _end(self, name: bytes, facts: os.stat_result, copied: int, flags: int) -> None:
        """Give a copy its flags, unless these would keep it from getting its further names."""
        if facts.st_nlink > 1:
            self._links.remember(facts, copied)
            if flags & inode_flags.LOCKED:
                self._links.lock_later(facts, flags)
                return
        if flags:
            attributes.set_flags(copied, flags, partial(self._lose, name))

    def _special(self, source: int, name: bytes, target: int, as_name: bytes, *, fresh: bool) -> None:
        """Copy a link, a fifo, a socket or a device."""
        found = self._open(source, name, _NAME)
        if found is None:
            return
        copied = -1
        try:
            facts = os.fstat(found)
            if stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode):
                self._lose(name, Kind.VANISHED, "")
                return
            if facts.st_nlink > 1 and self._link(facts, target, as_name, fresh=fresh):
                return
            if not fresh:
                remove(target, as_name)
            copied = _make_special(found, facts, target, as_name)
            attributes.carry(
                b"/proc/self/fd/%d" % found,
                b"/proc/self/fd/%d" % copied,
                facts,
                partial(self._lose, name),
                mine=False,
                fresh=fresh,
            )
            if facts.st_nlink > 1:
                self._links.remember(facts, copied)
            self._meter.count()
        finally:
            os.close(found)
            if copied >= 0:
                os.close(copied)

    # Further names

    def _link(self, facts: os.stat_result, target: int, as_name: bytes, *, fresh: bool) -> bool:
        """Make a further name of a copy; return False if the file has to be copied."""
        copy = self._links.find(facts, self._mount)
        if copy is None:
            return False
        try:
            if not fresh:
                if _is(copy, target, as_name):
                    self._meter.kept += 1
                    self._named(facts)
                    return True
                remove(target, as_name)
            if not links.link(copy, target, as_name):
                self._lose(as_name, Kind.LINK, "")
                return False
        finally:
            os.close(copy)
        self._named(facts)
        return True

    def _named(self, facts: os.stat_result) -> None:
        self._meter.count(facts.st_size if stat.S_ISREG(facts.st_mode) else 0)
        if locked := self._links.named(facts, self._mount):
            self._lock(*locked)

    def _lock(self, fd: int, flags: int) -> None:
        try:
            attributes.set_flags(fd, flags, self._lose_here)
        finally:
            os.close(fd)


def _make_directory(target: int, name: bytes) -> bool:
    """Make a directory that only we may enter; return False if one is there."""
    try:
        os.mkdir(name, 0o700, dir_fd=target)
    except FileExistsError:
        facts = os.stat(name, dir_fd=target, follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            return False
        remove(target, name)
        os.mkdir(name, 0o700, dir_fd=target)
    return True


def _make_special(found: int, facts: os.stat_result, target: int, name: bytes) -> int:
    """Make a link, fifo, socket or device as an open one is; return a descriptor (O_PATH) on it."""
    if stat.S_ISLNK(facts.st_mode):
        pointed = os.readlink(b"", dir_fd=found)
        os.symlink(pointed, name, dir_fd=target)
    else:
        os.mknod(name, stat.S_IFMT(facts.st_mode) | 0o600, facts.st_rdev, dir_fd=target)
    copied = os.open(name, _NAME | os.O_CLOEXEC, dir_fd=target)
    made = os.fstat(copied)
    ours = made.st_uid == os.geteuid() and made.st_nlink == 1
    if not ours or (stat.S_IFMT(made.st_mode), made.st_rdev) != (stat.S_IFMT(facts.st_mode), facts.st_rdev):
        os.close(copied)
        raise OSError(errno.ESTALE, "replaced meanwhile", name)
    return copied


def _same(facts: os.stat_result, target: int, name: bytes) -> int | None:
    """Return a descriptor on the copy of a file that an earlier run has ended, or None.

    The times are set after everything but the flags, and a new file has those of its making.
    """
    try:
        fd = openat2.open_entry(target, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    there = os.fstat(fd)
    fields = "st_size", "st_mtime_ns", "st_mode", "st_uid", "st_gid"
    if all(getattr(there, field) == getattr(facts, field) for field in fields):
        return fd
    os.close(fd)
    return None


def _is(copy: int, target: int, name: bytes) -> bool:
    try:
        there = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(copy))


def _remove_others(source: int, target: int) -> None:
    """Remove what an earlier run copied and the source no longer has."""
    with os.scandir(target) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    for name in names:
        try:
            os.stat(name, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            remove(target, name)
