"""The rules of the configuration: from a difference to its verdict, and the rule in words.

The rules, in the order in which they are asked:

    1  a mount point, or a directory made on the way to one   persisted, or ignored (tmpfs, proc ...)
    2  a symlink into a persist volume or below a mount       persisted
    3  hidden under a mount                                   ignored by a pattern, else crud
    4  declared, below a declared directory, or on the way    declared
    5  a pattern of the user                                  ignored
    6  anything else                                          crud

The rule on mounts comes before the declarations: a declaration keeps what is mounted there, not what lies
hidden beneath it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..config.ignore import Patterns
from ..model import Change, Declaration, Difference, FileType, Mounted, Verdict
from ..paths import Inherited, ancestors
from ..text import to_text

NOTHING = "nothing declares it"
NOT_MOUNTED = "but nothing is mounted there: this boot's writes go to the volume"


class Ruling(NamedTuple):
    """The verdict of the rules on one difference."""

    verdict: Verdict
    words: str  # the rule, in words
    hidden: bool = False  # whether it is crud that a mount hides


_CRUD = Ruling(Verdict.CRUD, NOTHING)


class _Place:
    """The facts that hold for everything below one directory."""

    __slots__ = ("declaration", "declared", "hidden", "mounted")

    def __init__(self, mounted: Mounted | None, declaration: Declaration | None) -> None:
        self.mounted = mounted
        self.declaration = declaration
        self.hidden = self.declared = _CRUD
        if mounted is not None:
            words = f"hidden under the mount of {_words(mounted)} at {to_text(mounted.path)}"
            self.hidden = Ruling(Verdict.CRUD, words, hidden=True)
        if declaration is not None:
            words = f"below {to_text(declaration.path)}, declared by {declaration.source}, {NOT_MOUNTED}"
            self.declared = Ruling(Verdict.DECLARED, words)


class Rules:
    """The verdicts for one volume.

    `mounted` are the mounts inside this volume's tree from elsewhere, not the volume's own mount.
    The constructor raises ValueError for a pattern that matches nothing, which no configuration has.
    """

    def __init__(
        self,
        declarations: Sequence[Declaration],
        mounted: Sequence[Mounted],
        ignore: Sequence[str],
        persist: Sequence[bytes],
    ) -> None:
        self._mounted = {mount.path: mount for mount in mounted}
        kept = {path: mount for path, mount in self._mounted.items() if not mount.ephemeral}
        passing = {path: mount for path, mount in self._mounted.items() if mount.ephemeral}
        self._kept = {**kept, **dict.fromkeys(persist)}
        self._way_to_kept = _ways(kept)
        self._way_to_passing = _ways(passing)
        self._declared = {declaration.path: declaration for declaration in declarations}
        self._way_to_declared = _ways(self._declared)
        self._patterns = Patterns(ignore)
        self._places: Inherited[_Place] = Inherited(
            _Place(None, None), functools.partial(_below, self._mounted, self._declared)
        )

    def judge(self, difference: Difference) -> Ruling:
        """Return the verdict on a difference, with its reason."""
        path = difference.path
        place = self._places[path[: path.rfind(b"/")]]
        if path in self._mounted or difference.type is FileType.DIRECTORY:
            found = self._mount_point(difference)
            if found is not None:
                return found
        if difference.target is not None:
            found = self._symlink(difference)
            if found is not None:
                return found
        if place.mounted is not None:
            return self._ignored(difference) or place.hidden
        if place.declaration is not None or path in self._declared or difference.type is FileType.DIRECTORY:
            found = self._declaration(difference, place)
            if found is not None:
                return found
        return self._ignored(difference) or _CRUD

    def _mount_point(self, difference: Difference) -> Ruling | None:
        mount = self._mounted.get(difference.path)
        if mount is not None:
            verdict = Verdict.IGNORED if mount.ephemeral else Verdict.PERSISTED
            return Ruling(verdict, f"mount point of {_words(mount)}")
        if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
            return None
        path = difference.path
        if path in self._way_to_kept:
            return Ruling(Verdict.PERSISTED, f"made for the mount point {to_text(self._way_to_kept[path])}")
        if path in self._way_to_passing and path not in self._way_to_declared:
            return Ruling(Verdict.IGNORED, f"made for the mount point {to_text(self._way_to_passing[path])}")
        return None

    def _symlink(self, difference: Difference) -> Ruling | None:
        if difference.target is None or difference.change is Change.DELETED:
            return None
        target = os.path.normpath(os.path.join(os.path.dirname(difference.path), difference.target))
        # POSIX leaves two leading slashes alone, and so does normpath.
        target = b"/" + target.lstrip(b"/")
        for place in (target, *ancestors(target), b"/"):
            if place in self._kept:
                return Ruling(Verdict.PERSISTED, f"symlink into {to_text(place)}")
            if place in self._mounted:
                return None
        return None

    def _declaration(self, difference: Difference, place: _Place) -> Ruling | None:
        path = difference.path
        declaration = self._declared.get(path)
        if declaration is not None:
            return Ruling(Verdict.DECLARED, f"declared by {declaration.source}, {NOT_MOUNTED}")
        if place.declaration is not None:
            return place.declared
        if difference.type is FileType.DIRECTORY and difference.change is Change.CREATED:
            below = self._way_to_declared.get(path)
            if below is not None:
                source = self._declared[below].source
                return Ruling(Verdict.DECLARED, f"parent of {to_text(below)}, declared by {source}")
        return None

    def _ignored(self, difference: Difference) -> Ruling | None:
        directory = difference.type in (FileType.DIRECTORY, FileType.SUBVOLUME)
        pattern = self._patterns.decide(difference.path, directory)
        if pattern is None:
            return None
        return Ruling(Verdict.IGNORED, f"ignored by the pattern {pattern}")


def _below(
    mounted: Mapping[bytes, Mounted], declared: Mapping[bytes, Declaration], above: _Place, path: bytes
) -> _Place:
    """Return what holds below this directory: the nearest mount, and the nearest declared directory."""
    mount = mounted.get(path, above.mounted)
    declaration = declared.get(path)
    if declaration is None or not declaration.directory:
        declaration = above.declaration
    if (mount, declaration) == (above.mounted, above.declaration):
        return above
    return _Place(mount, declaration)


def _ways(paths: Mapping[bytes, object]) -> dict[bytes, bytes]:
    """Return every directory on the way to one of the paths, with the first path that it leads to."""
    ways: dict[bytes, bytes] = {}
    for path in paths:
        for above in (*ancestors(path), b"/"):
            ways.setdefault(above, path)
    return ways


def _words(mount: Mounted) -> str:
    if mount.ephemeral or not mount.source:
        return mount.fstype
    return f"{to_text(mount.source)} ({mount.fstype})"
