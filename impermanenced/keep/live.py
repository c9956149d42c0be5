"""The running system, made to match a plan: what can be mounted without hiding anything is mounted.

Whatever is at a path is looked at and mounted over by descriptor, so nobody who owns a directory above it can
have the mount land elsewhere.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ..config.placement import SYMLINK
from ..kernel import attach, mounts, openat2, users
from ..paths import ancestors, within
from ..text import to_text
from . import approach, places
from .plan import Kept, Mounting
from .seeds import LARGEST
from .sources import Sources

_NEXT_BOOT = "the next boot mounts it"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one path."""

    words: str
    hint: str = ""
    done: bool = False
    failed: bool = False


class Live:
    """The mounts and processes of the running system, below a descriptor of its root."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._sources = Sources(b"/", mounts.read())
        self._uses: dict[bytes, set[int]] | None = None  # the processes at or below a path
        self._new: list[bytes] = []  # mounted since the table was read

    def close(self) -> None:
        self._sources.close()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_mounted(self, path: bytes) -> bool:
        """Return whether something is mounted at a path."""
        return self._sources.is_mounted(path)

    def mount(self, wanted: Mounting, *, dry_run: bool) -> Outcome | None:
        """Mount what is to be mounted, if nothing is in its way; None if it is mounted already."""
        if any(within(wanted.path, path) for path in self._new):
            self._reread()
        shown = f"{to_text(wanted.source)} at {to_text(wanted.path)}"
        if self._sources.origin(wanted.path) == self._sources.origin(wanted.source):
            return None
        try:
            if (fault := self._in_the_way(wanted)) is not None:
                return fault
            if not dry_run:
                self._mount(wanted)
                self._new.append(wanted.path)
        except approach.Unsafe as error:
            return Outcome(f"could not mount {shown}: {error.message}", _NEXT_BOOT)
        except OSError as error:
            return Outcome(f"could not mount {shown}: {error.strerror}", failed=True)
        return Outcome(f"mount {shown}", done=True)

    def _in_the_way(self, wanted: Mounting) -> Outcome | None:
        path = to_text(wanted.path)
        if self.is_mounted(wanted.path):
            return Outcome(f"{path}: something else is mounted there", f"unmount it: umount {path}")
        facts = places.exists(self._root, wanted.path)
        if facts is None:
            return None
        if stat.S_ISLNK(facts.st_mode) or stat.S_ISDIR(facts.st_mode) != wanted.directory:
            kind = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "another kind of thing"
            return Outcome(
                f"{path} is {kind}, over which nothing is mounted", "move it away, and apply again"
            )
        if wanted.waits:
            return Outcome(
                f"{path} has data that {to_text(wanted.store)} does not have: nothing is mounted over it",
                f"impermanence persist {path}",
            )
        if self._would_hide(wanted, facts):
            return Outcome(f"{path} is not what {to_text(wanted.source)} is, and would be hidden", _NEXT_BOOT)
        if busy := self._busy(wanted.path):
            return Outcome(f"{path} is in use by {', '.join(busy)}", _NEXT_BOOT)
        return None

    def _would_hide(self, wanted: Mounting, facts: os.stat_result) -> bool:
        """Return whether there is data at the place that is not in the source as well."""
        if wanted.directory:
            fd = openat2.open_directory(self._root, wanted.path, os.O_RDONLY)
            try:
                with os.scandir(fd) as entries:
                    return next(entries, None) is not None
            finally:
                os.close(fd)
        if not facts.st_size or places.exists(self._root, wanted.source) is None:
            return False  # where a dry run finds no source, the real one has made it of this
        here, there = (openat2.read(self._root, path, LARGEST + 1) for path in (wanted.path, wanted.source))
        return here != there or len(here) > LARGEST

    def _busy(self, path: bytes) -> list[str]:
        """Return three of the processes that are in a directory or have something in it open."""
        if self._uses is None:
            self._uses = {}
            for pid, used in users.uses():
                for place in (used, *ancestors(used)):
                    self._uses.setdefault(place, set()).add(pid)
        pids = self._uses.get(path, set()) - {os.getpid()}
        shown = [users.shown(pid) for pid in sorted(pids)[:3]]
        return [*shown, "others"] if len(pids) > 3 else shown

    def _mount(self, wanted: Mounting) -> None:
        source = approach.open_path(self._root, wanted.source)
        try:
            place = approach.open_path(self._root, wanted.path)
            try:
                attach.bind(source, place, attach.OPTIONS.intersection(wanted.options))
            finally:
                os.close(place)
            self._check(wanted, source)
        finally:
            os.close(source)

    def _check(self, wanted: Mounting, source: int) -> None:
        """Raise OSError if what is at the path now is not the source: somebody moved the way to it."""
        there = places.exists(self._root, wanted.path)
        facts = os.fstat(source)
        if there is None or (there.st_dev, there.st_ino) != (facts.st_dev, facts.st_ino):
            raise OSError(0, "somebody has moved the directories above it meanwhile", wanted.path)

    def _reread(self) -> None:
        self._sources.close()
        self._sources = Sources(b"/", mounts.read())
        self._new.clear()

    def misfit(self, one: Kept) -> str | None:
        """Return why a declared link or copy is not as it should be, or None."""
        path = one.placement.declaration.path
        try:
            fd = openat2.open_path(self._root, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{to_text(path)}: {error.strerror}"
        try:
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                return (
                    f"{to_text(path)} is where the link to {to_text(one.source)} belongs"
                    if (one.method == SYMLINK)
                    else None
                )
            target = os.readlink(b"", dir_fd=fd)
        finally:
            os.close(fd)
        if one.method == SYMLINK and target == one.source:
            return None
        return f"{to_text(path)} is a link to {to_text(target)}"
