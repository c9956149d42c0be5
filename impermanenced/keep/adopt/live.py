"""The path that is adopted, in the running system, reached by descriptors that nobody can redirect."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import NoReturn

import btrfsutil

from ...config.placement import AUTO, BIND, SYMLINK
from ...errors import ImpermanenceError, UsageError
from ...kernel import attach, btrfs, mounts
from ...kernel.holders import Holder, holders
from ...model import Volume
from ...state import uuid_text
from ...text import to_text
from ...volumes.machine import Machine
from .. import approach
from .ground import Ground


class Live:
    """A path of the running system.  Close it, or use it in a `with`."""

    def __init__(self, ground: Ground, path: bytes) -> None:
        """Open the directory that the path lies in.  Raises UsageError if there is none, or a link leads
        there, and Unsafe.
        """
        self.path = path
        self.shown = to_text(path)
        self.real = ground.real(path)
        self._machine = ground.machine
        above, self.name = os.path.split(path)
        root = os.open(ground.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.above, self.way = approach.walk(root, above, os.O_RDONLY)
        except OSError as error:
            _no_way(ground, path, error)
        finally:
            os.close(root)
        self._beneath = self._through = -1

    def close(self) -> None:
        for fd in (self.above, self._beneath, self._through):
            if fd >= 0:
                os.close(fd)
        self.above = self._beneath = self._through = -1

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def facts(self) -> os.stat_result:
        """Return what is there, a link as itself.  Raises UsageError if there is nothing."""
        try:
            return os.stat(self.name, dir_fd=self.above, follow_symlinks=False)
        except FileNotFoundError:
            raise UsageError(f"{self.shown} does not exist", "name what is to be kept") from None

    def volume(self) -> Volume | None:
        """Return the volume that the path lies in, or None if it lies in none."""
        device = os.fstat(self.above).st_dev
        for volume in self._machine.volumes:
            if os.stat(volume.mountpoint).st_dev == device:
                return volume
        return None

    def entry(self) -> int:
        """Return a descriptor (O_PATH) on what is seen at the path now, which the caller closes."""
        return os.open(self.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.above)

    def mount(self) -> mounts.Mount | None:
        """Return what is mounted at the path itself, or None."""
        entry = self.entry()
        try:
            number = mounts.mount_id(entry)
        finally:
            os.close(entry)
        if number == mounts.mount_id(self.above):
            return None
        return next((one for one in mounts.read() if one.id == number), None)

    def is_stacked(self) -> bool:
        """Return whether what is mounted at the path lies over another mount there."""
        mount = self.mount()
        return mount is not None and mount.parent != mounts.mount_id(self.above)

    def go_through(self) -> None:
        """Have `at` and `as_name` be the directory that is mounted at the path, also when that has gone."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._through = os.open(self.name, flags, dir_fd=self.above)

    @property
    def is_through(self) -> bool:
        """Return whether the content is that of a mount."""
        return self._through >= 0

    @property
    def at(self) -> int:
        """Return a descriptor of the directory by which the content is reached before the swap."""
        return self._through if self.is_through else self.above

    @property
    def as_name(self) -> bytes:
        """Return the name of the content in that directory."""
        return b"." if self.is_through else self.name

    def shown_by(self, method: str) -> str:
        """Return the method by which the path shows its source, where the declaration leaves that open."""
        if method != AUTO:
            return method
        return SYMLINK if stat.S_ISLNK(self.facts().st_mode) else BIND

    def life(self) -> str:
        """Return the UUID of the subvolume that the path lies in; another life of the volume has another."""
        return uuid_text(self._machine.subvolume(btrfsutil.subvolume_id(self.above)).uuid)

    def beneath(self) -> int:
        """Return a descriptor of the directory above through which no mount is seen; it stays ours."""
        if self._beneath < 0:
            tree = attach.clone(self.above)
            try:
                self._beneath = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
            finally:
                os.close(tree)
        return self._beneath

    def users(self) -> list[Holder]:
        """Return who holds something of what is seen at the path."""
        return self.users_of(self.above, self.name, self.real)

    def users_of(self, above: int, name: bytes, path: bytes | None = None) -> list[Holder]:
        """Return who holds something of what lies elsewhere; `path` is where processes see it, or None."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        entry = os.open(name, flags, dir_fd=above)
        try:
            return list(holders(path, Inside(self._machine, entry)))
        finally:
            os.close(entry)

    def others_mounted(self) -> list[bytes]:
        """Return what is mounted below the path, which a mount over it would hide."""
        return [one.path for one in mounts.read() if one.path.startswith(self.real + b"/")]


class Inside:
    """The question whether an inode lies in a tree, whatever path somebody reaches it by."""

    def __init__(self, machine: Machine, entry: int) -> None:
        """Take the topmost file or directory of the tree, open for reading."""
        facts = os.fstat(entry)
        self._device, self._inode = facts.st_dev, facts.st_ino
        self._tree: btrfs.Tree | None = None
        with contextlib.suppress(
            OSError, btrfsutil.BtrfsUtilError
        ):  # elsewhere the topmost inode alone counts
            if btrfs.fs_info(entry)[0] == machine.filesystem:
                self._tree = btrfs.Tree(machine.top, btrfsutil.subvolume_id(entry))

    def __call__(self, facts: os.stat_result) -> bool:
        if facts.st_dev != self._device:
            return False
        seen: set[int] = set()
        waiting = [facts.st_ino]
        while waiting:
            at = waiting.pop()
            if at == self._inode:
                return True
            if at not in seen and self._tree is not None and at != btrfs.BTRFS_FIRST_FREE_OBJECTID:
                seen.add(at)
                waiting.extend(directory for directory, _ in self._tree.names(at))
        return False


def _no_way(ground: Ground, path: bytes, error: OSError) -> NoReturn:
    """Raise a UsageError about a path that cannot be reached without following a link, or at all."""
    shown = to_text(path)
    if error.errno == errno.ELOOP:
        real, hint = b"", None
        with contextlib.suppress(OSError):  # the link may have gone by now
            real = os.path.realpath(ground.real(path))
        if real.startswith(ground.real(b"/")):
            hint = f"name what it leads to: {to_text(real[len(ground.root.rstrip(b'/')) :])}"
        raise UsageError(f"{shown}: a link is on the way there, and it may lead elsewhere tomorrow", hint)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        raise UsageError(f"{shown} does not exist", "name what is to be kept")
    raise ImpermanenceError(f"{shown}: {error.strerror}")
