"""Why a path lives on or not: from a difference to its verdict, and the rule in words.

The rules, in the order in which they are asked:

    1  a mount point, or a directory made on the way to one   persisted, or ignored (tmpfs, proc ...)
    2  a symlink into a persist volume or below a mount       persisted
    3  hidden under a mount                                   ignored by a pattern, else crud
    4  declared, below a declared directory, or on the way    declared
    5  a pattern of the user                                  ignored
    6  anything else                                          crud

What is hidden under a mount is asked before the declarations: the declaration keeps what is
mounted there, not what lies beneath it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .model import Change, Declaration, Difference, FileType, Mounted, Verdict
from .patterns import Patterns
from .wire import to_text

NOTHING = "nothing declares it"
HIDDEN = "hidden under the mount of"
NOT_MOUNTED = "but nothing is mounted there: this boot's writes go to the volume"


class _Place(NamedTuple):
    """What is known of everything below one directory."""

    mounted: Mounted | None
    declaration: Declaration | None


def _parent(path: bytes) -> bytes:
    return path[: path.rfind(b"/")] or b"/"


def _ancestors(path: bytes) -> Iterable[bytes]:
    while path != b"/":
        path = _parent(path)
        yield path


class Rules:
    """The verdicts for one volume.

    `mounted` is what lies inside this volume's tree from elsewhere, not the volume's own mount.
    Raises ValueError for a pattern that matches nothing (a configuration has none).
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
        # Thousands of entries share a directory: what holds below it is looked up once.
        self._places: dict[bytes, _Place] = {}

    def judge(self, difference: Difference) -> tuple[Verdict, str]:
        path = difference.path
        return (
            self._mount_point(difference)
            or self._symlink(difference)
            or self._hidden(difference, self._below(_parent(path)))
            or self._declaration(difference)
            or self._ignored(difference)
            or (Verdict.CRUD, NOTHING)
        )

    def _mount_point(self, difference: Difference) -> tuple[Verdict, str] | None:
        mount = self._mounted.get(difference.path)
        if mount is not None:
            verdict = Verdict.IGNORED if mount.ephemeral else Verdict.PERSISTED
            return verdict, f"mount point of {_words(mount)}"
        if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
            return None
        path = difference.path
        if path in self._way_to_kept:
            return Verdict.PERSISTED, f"made for the mount point {to_text(self._way_to_kept[path])}"
        if path in self._way_to_passing and path not in self._way_to_declared:
            return Verdict.IGNORED, f"made for the mount point {to_text(self._way_to_passing[path])}"
        return None

    def _symlink(self, difference: Difference) -> tuple[Verdict, str] | None:
        if difference.target is None or difference.change is Change.DELETED:
            return None
        target = os.path.normpath(os.path.join(_parent(difference.path), difference.target))
        # POSIX leaves two leading slashes alone, and so does normpath.
        target = b"/" + target.lstrip(b"/")
        for place in (target, *_ancestors(target)):
            if place in self._kept:
                return Verdict.PERSISTED, f"symlink into {to_text(place)}"
            if place in self._mounted:
                return None
        return None

    def _hidden(self, difference: Difference, place: _Place) -> tuple[Verdict, str] | None:
        if place.mounted is None:
            return None
        ignored = self._ignored(difference)
        if ignored is not None:
            return ignored
        return (
            Verdict.CRUD,
            f"{HIDDEN} {_words(place.mounted)} at {to_text(place.mounted.path)}",
        )

    def _declaration(self, difference: Difference) -> tuple[Verdict, str] | None:
        path = difference.path
        declaration = self._declared.get(path)
        if declaration is not None:
            return Verdict.DECLARED, f"declared by {declaration.source}, {NOT_MOUNTED}"
        declaration = self._below(_parent(path)).declaration
        if declaration is not None:
            above = to_text(declaration.path)
            return Verdict.DECLARED, f"below {above}, declared by {declaration.source}, {NOT_MOUNTED}"
        if difference.type is FileType.DIRECTORY and difference.change is Change.CREATED:
            below = self._way_to_declared.get(path)
            if below is not None:
                source = self._declared[below].source
                return Verdict.DECLARED, f"parent of {to_text(below)}, declared by {source}"
        return None

    def _ignored(self, difference: Difference) -> tuple[Verdict, str] | None:
        directory = difference.type in (FileType.DIRECTORY, FileType.SUBVOLUME)
        pattern = self._patterns.decide(difference.path, directory)
        if pattern is None:
            return None
        return Verdict.IGNORED, f"ignored by the pattern {pattern}"

    def _below(self, directory: bytes) -> _Place:
        """What holds below this directory: the nearest mount, and the nearest declared directory."""
        unknown = []
        path = directory
        while path not in self._places and path != b"/":
            unknown.append(path)
            path = _parent(path)
        place = self._places.get(path, _Place(None, None))
        for path in reversed(unknown):
            declaration = self._declared.get(path)
            if declaration is None or not declaration.directory:
                declaration = place.declaration
            place = _Place(self._mounted.get(path, place.mounted), declaration)
            self._places[path] = place
        return place


def _ways(paths: Mapping[bytes, object]) -> dict[bytes, bytes]:
    """Every directory on the way to one of the paths, and the first path that it leads to."""
    ways: dict[bytes, bytes] = {}
    for path in paths:
        for above in _ancestors(path):
            ways.setdefault(above, path)
    return ways


def _words(mount: Mounted) -> str:
    if mount.ephemeral or not mount.source:
        return mount.fstype
    return f"{to_text(mount.source)} ({mount.fstype})"
