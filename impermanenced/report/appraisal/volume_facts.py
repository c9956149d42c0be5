"""The facts of one volume that the appraisal asks for."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Sequence

from ...kernel import openat2
from ...model import Volume
from ...system.systemd import Span, Systemd
from ...system.unit_files import PLACES, Units
from .. import providers
from ..knowledge import Knowledge
from ..providers import Packages, packages_of, tmpfiles
from ..providers.tmpfiles import Sysusers, Tmpfiles
from .names import Names
from .old_roots import OldRoots, OldRootTree

SKELETON = b"/etc/skel"
SOURCES = (*providers.SOURCES, *PLACES, b"/etc/passwd", SKELETON)  # they change with the facts
MOST_NAMES = 1000  # names in the skeleton

Stamp = tuple[tuple[int, int, int] | None, ...]  # mtime, inode and size of each source, or that there is none


class VolumeFacts:
    """The facts of one volume, each read when it is first needed.  Close it, or use it in a `with`.

    `root` and `blank` are paths for open(2); `system` is where "/" of the volume's system is mounted, or
    None.
    """

    def __init__(
        self,
        volume: Volume,
        root: bytes,
        blank: bytes | None,
        system: bytes | None,
        systemd: Systemd,
        knowledge: Callable[[Sequence[bytes]], Knowledge],
        old_roots: Callable[[], Sequence[OldRootTree]],
        boot_id: str,
    ) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.volume = volume
        self.root = os.open(root, flags)
        try:
            self.blank = os.open(blank, flags) if blank is not None else None
        except BaseException:  # the blank may have gone, and each report asks again
            os.close(self.root)
            raise
        self._prefix = len(volume.path.rstrip(b"/"))
        self._is_system = volume.path == b"/"
        self._system = system
        self._systemd = systemd
        self._load = knowledge
        self._find_old_roots = old_roots
        self._boot_id = boot_id
        self._faults: dict[str, None] = {}

    def close(self) -> None:
        os.close(self.root)
        if self.blank is not None:
            os.close(self.blank)

    def __enter__(self) -> VolumeFacts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stamp(self) -> Stamp:
        """Return what differs once a source of the facts has changed."""
        if not self._is_system:
            return ()
        return tuple(map(self._stamp_of, SOURCES))

    def _stamp_of(self, source: bytes) -> tuple[int, int, int] | None:
        try:
            found = openat2.facts(self.root, source)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def relative(self, path: bytes) -> bytes:
        """Return a path of the volume's system relative to the volume's root."""
        return path[self._prefix :]

    def read(self, path: bytes, limit: int) -> bytes:
        """Return the first `limit` bytes of a file of the volume.  Raises OSError."""
        return openat2.read(self.root, self.relative(path), limit)

    def read_of(self, path: bytes, limit: int, owner: int) -> bytes:
        """Return the first `limit` bytes of a file of the volume.  Raises OSError, also if it is not its
        owner's.
        """
        return openat2.read(self.root, self.relative(path), limit, owner=owner)

    def read_blank(self, path: bytes, limit: int) -> bytes:
        """Return the first `limit` bytes of a file of the blank.  Raises OSError."""
        if self.blank is None:
            raise FileNotFoundError(path)
        return openat2.read(self.blank, self.relative(path), limit)

    @functools.cached_property
    def homes(self) -> tuple[bytes, ...]:
        """Return the homes of people that are not /home/NAME."""
        try:
            lines = self.read(b"/etc/passwd", 1 << 20).split(b"\n") if self._is_system else []
        except OSError:
            lines = []
        found = []
        for line in lines:
            words = line.split(b":")
            if len(words) == 7 and words[2].isdigit() and 1000 <= int(words[2]) < 65534:
                home = os.path.normpath(words[5])
                if home.count(b"/") > 1 and os.path.dirname(home) != b"/home":
                    found.append(home)
        return tuple(found[:1000])

    @functools.cached_property
    def knowledge(self) -> Knowledge:
        """Return the rule files' knowledge, with the homes of this volume."""
        return self._load(self.homes)

    @functools.cached_property
    def packages(self) -> Packages | None:
        """Return what the package manager knows, or None if there is no database."""
        return packages_of(self.root, self.blank) if self._is_system else None

    @functools.cached_property
    def tmpfiles(self) -> Tmpfiles:
        """Return the lines of tmpfiles.d that count for the volume's system."""
        if not self._has(b"usr/lib/tmpfiles.d") or self._system is None:
            return Tmpfiles()
        return tmpfiles.ask(self._system)

    @functools.cached_property
    def sysusers(self) -> Sysusers:
        """Return the accounts that sysusers.d makes in the volume's system."""
        if not self._has(b"usr/lib/sysusers.d") or self._system is None:
            return Sysusers(frozenset())
        return tmpfiles.ask_sysusers(self._system)

    def _has(self, directory: bytes) -> bool:
        if self._system is None or not self._is_system:
            return False
        try:
            os.close(openat2.open_directory(self.root, directory))
        except FileNotFoundError:
            return False
        except OSError as error:
            self.say(f"/{directory.decode()}: {error.strerror}")
            return False
        return True

    @functools.cached_property
    def units(self) -> Units:
        """Return the directories of units."""
        return self._systemd.units(self.root) if self._is_system else Units({})

    @functools.cached_property
    def names(self) -> Names:
        """Return how this system calls its programs."""
        return Names(self.root)

    @functools.cached_property
    def span(self) -> Span | None:
        """Return the time of this boot, or None if it has not finished or is not known."""
        return self._systemd.span()

    def ask_again(self) -> None:
        """Forget what was not known when it was asked."""
        if "span" in vars(self) and self.span is None:
            del self.span

    def old_roots(self) -> OldRoots:
        """Return the old roots, which the caller closes."""
        return OldRoots(self._find_old_roots(), self.root, self.blank, self._boot_id)

    def in_home(self, path: bytes) -> bool:
        """Return whether the path is in a home."""
        return self.home_of(path) is not None

    def home_of(self, path: bytes) -> bytes | None:
        """Return the home that the path is in, or None."""
        if path.startswith(b"/root/"):
            return b"/root"
        if path.startswith(b"/home/"):
            end = path.find(b"/", len(b"/home/"))
            return path[:end] if end > 0 else None
        return next((home for home in self.homes if path.startswith(home + b"/")), None)

    def empty(self, directory: bytes) -> bool:
        """Return whether the directory exists and has no entry; at most one entry is read."""
        try:
            fd = openat2.open_directory(self.root, self.relative(directory), os.O_RDONLY)
        except OSError:
            return False
        try:
            with os.scandir(fd) as entries:
                return next(entries, None) is None
        finally:
            os.close(fd)

    @functools.cached_property
    def skeleton(self) -> frozenset[bytes]:
        """Return the names that a new home begins with (useradd(8))."""
        try:
            fd = openat2.open_directory(self.root, SKELETON, os.O_RDONLY) if self._is_system else None
        except OSError:
            fd = None
        if fd is None:
            return frozenset()
        try:
            with os.scandir(fd) as entries:
                return frozenset(os.fsencode(entry.name) for entry in itertools.islice(entries, MOST_NAMES))
        finally:
            os.close(fd)

    def faults(self) -> list[str]:
        """Return what could not be read of the facts that were asked for, in words."""
        systemd = vars(self)
        found: list[str] = list(self._faults)
        if "knowledge" in systemd:
            found += self.knowledge.problems
        for name in ("packages", "tmpfiles", "sysusers"):
            if systemd.get(name) is not None:
                found += systemd[name].faults
        return list(dict.fromkeys(found))

    def say(self, fault: str) -> None:
        """Note what could not be read, in words."""
        self._faults[fault] = None
