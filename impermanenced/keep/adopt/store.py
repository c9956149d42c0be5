"""The place in the persist volume: the way to it, and a staging directory that nobody else may write to.

Hard facts
    Whoever owns a directory of the persist volume may rename what is in it at any moment, but cannot change
    what a directory of root's holds.  So everything gets its content, owner and mode in a staging directory
    of root's, and comes to its place by one rename that replaces nothing.
"""

from __future__ import annotations

import errno
import os
import stat

from ... import copying
from ...errors import ImpermanenceError, UsageError
from ...kernel import libc, mounts
from ...text import to_text
from .. import approach
from ..closed import open_closed
from ..strays import OURS
from .ground import Ground
from .live import Live

STAGING = OURS + b"-staging"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Store:
    """The directories of a persist volume on the way to one path.  Close it, or use it in a `with`."""

    def __init__(self, ground: Ground, persist: bytes, path: bytes) -> None:
        """Open the persist volume.  Raises UsageError if there is none."""
        self.persist = persist
        self.path = path
        self.name = os.path.basename(path)
        self.source = persist.rstrip(b"/") + path
        self.shown = to_text(self.source)
        self._above: int | None = None  # the directory of the source, once it is there
        try:
            self._top = os.open(ground.real(persist), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"{to_text(persist)}: {error.strerror}", "mount a persist volume there, or name another: --to"
            ) from None
        self._base = self._top
        self.inside = path  # the source's path from the base
        self._find_base()

    def close(self) -> None:
        for fd in {self._top, self._base, self._above} - {None}:
            if fd is not None:
                os.close(fd)
        self._above = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def top(self) -> int:
        """Return a descriptor of the persist volume."""
        return self._top

    def above(self) -> int:
        """Return a descriptor of the directory of the source.  Raises OSError if it is not there."""
        if self._above is None:
            self._above = approach.open_directory(self._top, os.path.dirname(self.path))
        return self._above

    def facts(self) -> os.stat_result | None:
        """Return what is at the source, or None.  Raises UsageError if a link is on the way."""
        try:
            return os.stat(self.name, dir_fd=self.above(), follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise UsageError(
                    f"{self.shown}: a link or a file is on the way there", "move it away, or choose --to"
                ) from None
            raise

    def make_above(self, live: Live) -> None:
        """Make the directories on the way to the source, as those on the way to the path are."""
        if self._above is not None:
            return
        at = os.dup(self._top)
        try:
            done = b""
            for name, like in zip(self._above_names(), live.way, strict=True):
                done += b"/" + name
                below = self._enter(at, name, like)
                above, facts = os.fstat(at), os.fstat(below)
                os.close(at)
                at = below
                approach.check(above, facts, self.persist.rstrip(b"/") + done)
                self._rebase(at, done)
            self._above, at = at, -1
        finally:
            if at >= 0:
                os.close(at)

    def _above_names(self) -> list[bytes]:
        return [name for name in os.path.dirname(self.path).split(b"/") if name]

    def _find_base(self) -> None:
        """Go down as far as there are directories: what is mounted on the way has a staging directory of its
        own.
        """
        at = os.dup(self._top)
        try:
            done = b""
            for name in self._above_names():
                done += b"/" + name
                below = os.open(name, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = below
                self._rebase(at, done)
        except OSError:  # whoever goes there says what is wrong
            pass
        finally:
            os.close(at)

    def _enter(self, at: int, name: bytes, like: os.stat_result) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=at)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UsageError(f"{self.shown}: {to_text(name)} on the way there is no directory") from error
        staging = self.staging()
        try:
            made = b"%d" % os.getpid()
            os.mkdir(made, 0o700, dir_fd=staging)
            os.chown(made, like.st_uid, like.st_gid, dir_fd=staging)
            os.chmod(made, stat.S_IMODE(like.st_mode), dir_fd=staging)
            try:
                libc.renameat2(staging, made, at, name, libc.RENAME_NOREPLACE)
            except OSError:
                os.rmdir(made, dir_fd=staging)
                raise
        finally:
            os.close(staging)
        return os.open(name, _DIRECTORY, dir_fd=at)

    def _rebase(self, fd: int, path: bytes) -> None:
        """Have staging where a rename reaches the source from: in the same subvolume, by the same mount."""
        same = os.fstat(fd).st_dev == os.fstat(self._base).st_dev
        if not same or mounts.mount_id(fd) != mounts.mount_id(self._base):
            if self._base != self._top:
                os.close(self._base)
            self._base = os.dup(fd)
            self.inside = self.path[len(path) :]

    @property
    def base(self) -> int:
        """Return a descriptor of the topmost directory from which a rename reaches the source."""
        return self._base

    def staging(self) -> int:
        """Return a descriptor of the staging directory, made where it is not; the caller closes it."""
        try:
            return open_closed(self._base, STAGING)
        except PermissionError as error:
            raise ImpermanenceError(
                f"{to_text(self.persist)}: {to_text(STAGING)} in it: {error.strerror}",
                "chown root, chmod go-w",
            ) from None

    def tidy(self) -> None:
        """Remove the staging directory with what a job that was cut has left there."""
        staging = self.staging()
        try:
            for name in os.listdir(staging):
                if name.isdecimal():  # the number of a job, or of a process
                    copying.remove(staging, os.fsencode(name))
        finally:
            os.close(staging)
        try:
            os.rmdir(STAGING, dir_fd=self._base)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
                raise
