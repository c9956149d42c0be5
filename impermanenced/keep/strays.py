"""What lies in the persist volumes that nothing declares.

The declared places and the directories that lead to them are left out; whatever else is in one of these
directories is a stray, as a whole.  So no more directories are listed than declarations lead through, but
for the sizes.  A stray that something uses (a mount, /etc/fstab, swap) is named with that.

Hard facts
    A persist volume has directories of users, who can rename and replace what is in them at any time.  So
    each directory is opened in the one above it, without following a link, and a stray is known by its inode.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ..boots.doctor import fstab_lines, swap_files
from ..copying import measure
from ..errors import Cancelled, NotSetUp
from ..kernel import openat2
from ..model import TYPES, FileType
from ..paths import ancestors, within
from ..report.report import Manager
from ..state import STATE
from ..text import to_text
from ..volumes.machine import system_root
from .plan import source_of
from .sources import Sources

OURS = STATE  # what begins so at the top of a persist volume is this program's own
MOST = 10_000  # strays that are listed
MEASURED = 200_000  # files whose sizes are added up
LARGEST = 1 << 20  # bytes of a table that are read

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in a persist volume that nothing declares."""

    path: bytes  # absolute, in the system that the volume belongs to
    persist: bytes  # the persist volume's path
    type: FileType
    size: int  # bytes that it takes on the disk
    files: int
    complete: bool  # False: it has more than was added up
    uid: int
    inode: tuple[int, int]  # device and number
    used: str = ""  # what uses it, in words


@dataclass(frozen=True, slots=True)
class Found:
    """The strays of all persist volumes, sorted by path."""

    strays: tuple[Stray, ...]
    complete: bool = True  # False: there are more than are listed, or a part could not be read


class _Budget:
    """The number of files that are still measured."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spent(self) -> bool:
        self.left -= 1
        return self.left < 0


def find(manager: Manager, *, measured: int = MEASURED) -> Found:
    """Return the strays; at most `measured` files are looked at for the sizes.

    Raises NotSetUp if the system is not mounted here as a whole.
    """
    root = system_root(manager.volumes)
    if root is None:
        raise NotSetUp('the "/" of this system is not mounted', "mount all of it below one directory")
    search = _Search(manager, root, _Budget(measured))
    found: list[Stray] = []
    with Sources(root, manager.mounts()) as search.sources:
        for persist in manager.config.persist:
            for stray in search.of(persist):
                if len(found) >= MOST:
                    return Found(tuple(sorted(found, key=lambda one: one.path)), False)
                found.append(stray)
    return Found(tuple(sorted(found, key=lambda one: one.path)), search.complete)


class _Search:
    """The search through one system's persist volumes."""

    sources: Sources

    def __init__(self, manager: Manager, root: bytes, budget: _Budget) -> None:
        self._root = root
        self._budget = budget
        self._table = manager.mounts()
        self._persist = set(manager.config.persist)
        self._kept = {source_of(one) for one in manager.config.placements} | self._persist
        self._ways = {above for path in self._kept for above in ancestors(path)}
        self._named = list(_named(root))
        self.complete = True

    def of(self, persist: bytes) -> Iterator[Stray]:
        """Yield the strays of one persist volume."""
        root_fd = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = openat2.open_directory(root_fd, persist, os.O_RDONLY)
        except FileNotFoundError:
            return
        except OSError:
            self.complete = False
            return
        finally:
            os.close(root_fd)
        waiting = [(fd, persist)]
        try:
            while waiting:
                fd, path = waiting.pop()
                try:
                    yield from self._in(fd, path, persist, waiting)
                finally:
                    os.close(fd)
        finally:
            for fd, _ in waiting:
                os.close(fd)

    def _in(
        self, fd: int, directory: bytes, persist: bytes, waiting: list[tuple[int, bytes]]
    ) -> Iterator[Stray]:
        """Yield the strays directly in one directory; those that lead to declared places are put off."""
        try:
            names = os.listdir(fd)
        except OSError:
            self.complete = False
            return
        for name in map(os.fsencode, names):
            path = directory + b"/" + name
            if path in self._kept or (directory == persist and name.startswith(OURS)):
                continue
            if path in self._ways:
                with contextlib.suppress(OSError):  # no directory, or something is mounted on it
                    waiting.append((openat2.open_entry(fd, name, DIRECTORY), path))
                continue
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                yield self._stray(fd, name, path, persist)

    def _stray(self, fd: int, name: bytes, path: bytes, persist: bytes) -> Stray:
        facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
        size, files, complete = self._size(fd, name, facts)
        kind = TYPES.get(stat.S_IFMT(facts.st_mode), FileType.FILE)
        used = self._used(path)
        return Stray(path, persist, kind, size, files, complete, facts.st_uid, inode_of(facts), used)

    def _size(self, fd: int, name: bytes, facts: os.stat_result) -> tuple[int, int, bool]:
        if not stat.S_ISDIR(facts.st_mode):
            return facts.st_blocks * 512, 1, True
        if self._budget.left > 0:
            with contextlib.suppress(OSError, Cancelled):
                found = measure(fd, name, cancelled=self._budget.spent)
                return found.allocated, found.files, True
        return 0, 0, False

    def _used(self, path: bytes) -> str:
        """Return what uses something at or below a path, in words, or ""."""
        origin = self.sources.origin(path)
        for mount in self._table if origin is not None else ():
            if origin is not None and mount.device == origin[0] and within(mount.root, origin[1]):
                return f"mounted at {to_text(mount.path)}"
        for place, where in self._named:
            if within(place, path):
                return where
        return ""


def _named(root: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the paths that fstab(5) and swap use, each with that in words."""
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            for _, words in fstab_lines(openat2.read(fd, b"etc/fstab", LARGEST)):
                yield words[0], "named in /etc/fstab"
    finally:
        os.close(fd)
    if root == b"/":
        with contextlib.suppress(OSError), open("/proc/swaps", "rb") as stream:
            for path in swap_files(stream.read()):
                yield path, "used as swap"


def inode_of(facts: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from every other one that exists at the same time."""
    return facts.st_dev, facts.st_ino
