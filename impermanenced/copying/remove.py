"""The removal of a tree, by descriptors: no link is followed, and nothing mounted in it is touched."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

import btrfsutil

from ..kernel import inode_flags, openat2
from ..kernel.btrfs import delete as kernel
from .descent import DIRECTORY, Descent, Level, is_subvolume


def remove(directory_fd: int, name: bytes) -> None:
    """Remove what a name in a directory stands for, with all that is in it, nested subvolumes too.

    It is no fault if nothing is there, or if others remove it at the same time.  Raises OSError; EXDEV if
    something is mounted in the tree, EBUSY if on its top.
    """
    if _unlinked(directory_fd, name):
        return
    descent = Descent()
    try:
        _enter(descent, directory_fd, name)
        while descent:
            if descent.top.below:
                (fd,) = descent.fds
                _enter(descent, fd, descent.top.below.pop())
                continue
            if not _emptied(descent):
                continue
            gone = descent.leave().name
            above = descent.fds[0] if descent else directory_fd
            _remove_directory(above, gone)
    finally:
        descent.close()


def _enter(descent: Descent, directory_fd: int, name: bytes) -> None:
    try:
        fd = openat2.open_entry(directory_fd, name, DIRECTORY)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        _unlinked(directory_fd, name)
        return
    facts = os.fstat(fd)
    descent.enter(Level(name, (fd,), facts, fresh=False))
    if is_subvolume(facts, directory_fd) and btrfsutil.get_subvolume_read_only(fd):
        btrfsutil.set_subvolume_read_only(fd, False)


def _emptied(descent: Descent) -> bool:
    """Remove all names of the directory that is looked at but those of directories; return whether there are
    none of these.
    """
    (fd,) = descent.fds
    if inode_flags.read(fd) & inode_flags.LOCKED:
        inode_flags.write(fd, 0)
    with os.scandir(fd) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    descent.top.below = [name for name in names if not _unlinked(fd, name)]
    return not descent.top.below


def _unlinked(directory_fd: int, name: bytes) -> bool:
    """Remove a name; return False if it is that of a directory that is not empty."""
    try:
        facts = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            return _remove_directory(directory_fd, name)
        os.unlink(name, dir_fd=directory_fd)
    except FileNotFoundError:
        return True
    except PermissionError:
        _unlock(directory_fd, name)
        os.unlink(name, dir_fd=directory_fd)
    return True


def _remove_directory(directory_fd: int, name: bytes) -> bool:
    """Remove a directory or subvolume; return False if something is in it."""
    for attempt in (_rmdir, _unlock_and_rmdir):
        try:
            attempt(directory_fd, name)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            if error.errno != errno.EPERM or attempt is _unlock_and_rmdir:
                raise
        else:
            return True
    return True


def _rmdir(directory_fd: int, name: bytes) -> None:
    try:
        os.rmdir(name, dir_fd=directory_fd)
    except OSError as error:
        facts = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        # A subvolume goes as a whole, unless another one is nested in it.
        if not is_subvolume(facts, directory_fd):
            raise
        if error.errno not in (errno.ENOTEMPTY, errno.EPERM, errno.EACCES):
            raise
        kernel.snap_destroy_name(directory_fd, name)


def _unlock_and_rmdir(directory_fd: int, name: bytes) -> None:
    _unlock(directory_fd, name)
    _rmdir(directory_fd, name)


def _unlock(directory_fd: int, name: bytes) -> None:
    """Take away the flags that keep a file or directory from being removed."""
    with contextlib.suppress(OSError):  # a link or a device has none; the removal says what is wrong
        fd = openat2.open_entry(directory_fd, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            inode_flags.write(fd, inode_flags.read(fd) & inode_flags.ASKED & ~inode_flags.LOCKED)
        finally:
            os.close(fd)
