"""The rules of the configuration: from a difference to its verdict, and the rule in words.

The rules, in the order in which they are asked:

    1  a mount point, or a directory made on the way to one   persisted, or ignored (tmpfs, proc ...)
       what is mounted there goes with the boot               declared if it is, else crud
    2  a symlink that leads, over others or not, into a       persisted
       persist volume or below a mount
    3  under a mount                                          ignored by a pattern, else hidden
    4  declared, below a declared directory, or on the way    declared
    5  an original that `persist` has put away, a pattern     ignored
    6  anything else                                          crud

A declaration keeps nothing; what is mounted there does.  So the rule on mounts comes before the
declarations, and a declaration that no mount fulfils is a loss.  Whether something hidden is one depends on
what is mounted over it (`covered`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Container, Mapping, Sequence

from ..config.ignore import Patterns
from ..lazy import NamedTuple
from ..model import Change, Declaration, Difference, FileType, Mounted, Verdict
from ..paths import Inherited, ancestors, within
from ..state import ORIGINALS
from ..text import to_text

NOTHING = "nothing declares it"
NOT_MOUNTED = "but nothing is mounted there: this boot's writes go to the volume"

# Of a link and its target the first of some places that it leads to, over links of the volume, or None.
Follow = Callable[[bytes, bytes, Container[bytes]], bytes | None]


class Ruling(NamedTuple):
    """The verdict of the rules on one difference."""

    verdict: Verdict
    words: str  # the rule, in words
    mount: Mounted | None = None  # the one that it is the place of, or that hides it
    declaration: Declaration | None = None  # the one that nothing fulfils


_CRUD = Ruling(Verdict.CRUD, NOTHING)
_ORIGINAL = Ruling(Verdict.IGNORED, "an original that impermanence persist has put a link in the place of")


class _Place:
    """The facts that hold for everything below one directory."""

    __slots__ = ("declaration", "declared", "hidden", "mounted")

    def __init__(self, mounted: Mounted | None, declaration: Declaration | None) -> None:
        self.mounted = mounted
        self.declaration = declaration
        self.hidden = self.declared = _CRUD
        if mounted is not None:
            words = f"hidden under the mount of {_words(mounted)} at {to_text(mounted.path)}"
            self.hidden = Ruling(Verdict.HIDDEN, words, mounted)
        if declaration is not None:
            words = f"below {to_text(declaration.path)}, declared by {declaration.source}, {NOT_MOUNTED}"
            self.declared = Ruling(Verdict.DECLARED, words, declaration=declaration)


class Rules:
    """The verdicts for one volume.

    `mounted` are the mounts inside this volume's tree from elsewhere, not the volume's own mount; `persist`
    the persist volumes that no boot wipes.  `follow` follows links; `volume` is the volume's path.  The
    constructor raises ValueError for a pattern that matches nothing, which no configuration has.
    """

    def __init__(
        self,
        declarations: Sequence[Declaration],
        mounted: Sequence[Mounted],
        ignore: Sequence[str],
        persist: Sequence[bytes],
        follow: Follow | None = None,
        volume: bytes = b"/",
    ) -> None:
        self._mounted = {mount.path: mount for mount in mounted}
        kept = {path: mount for path, mount in self._mounted.items() if mount.lasts}
        passing = {path: mount for path, mount in self._mounted.items() if mount.ephemeral}
        self._kept = {**kept, **dict.fromkeys(persist)}
        self._stops = {*self._mounted, *persist}
        self._way_to_kept = _ways(kept)
        self._way_to_passing = _ways(passing)
        self._declared = {declaration.path: declaration for declaration in declarations}
        self._way_to_declared = _ways(self._declared)
        self._patterns = Patterns(ignore)
        self._follow = follow
        self._originals = volume.rstrip(b"/") + b"/" + ORIGINALS
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
        if place.mounted is not None:
            return self._ignored(difference) or place.hidden
        if difference.target is not None:
            found = self._symlink(difference)
            if found is not None:
                return found
        if place.declaration is not None or path in self._declared or difference.type is FileType.DIRECTORY:
            found = self._declaration(difference, place)
            if found is not None:
                return found
        if within(path, self._originals):
            return _ORIGINAL
        return self._ignored(difference) or _CRUD

    def _mount_point(self, difference: Difference) -> Ruling | None:
        path = difference.path
        mount = self._mounted.get(path)
        if mount is not None:
            if mount.goes:
                declaration = self._declared.get(path)
                verdict = Verdict.CRUD if declaration is None else Verdict.DECLARED
                return Ruling(verdict, mount.goes, mount, declaration)
            verdict = Verdict.IGNORED if mount.ephemeral else Verdict.PERSISTED
            return Ruling(verdict, f"mount point of {_words(mount)}", mount)
        if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
            return None
        if path in self._way_to_kept:
            return Ruling(Verdict.PERSISTED, f"made for the mount point {to_text(self._way_to_kept[path])}")
        if path in self._way_to_passing and path not in self._way_to_declared:
            end = self._way_to_passing[path]
            words = f"made for the mount point {to_text(end)}"
            return Ruling(Verdict.IGNORED, words, self._mounted[end])
        return None

    def _symlink(self, difference: Difference) -> Ruling | None:
        if difference.target is None or difference.change is Change.DELETED:
            return None
        target = os.path.normpath(os.path.join(os.path.dirname(difference.path), difference.target))
        # POSIX leaves two leading slashes alone, and so does normpath.
        target = b"/" + target.lstrip(b"/")
        for place in (target, *ancestors(target)):
            if place in self._kept:
                return Ruling(Verdict.PERSISTED, f"symlink into {to_text(place)}")
            if place in self._mounted:
                return None
        if self._follow is None:
            return None
        end = self._follow(difference.path, difference.target, self._stops)
        if end is None or end not in self._kept:
            return None
        return Ruling(Verdict.PERSISTED, f"symlink over others into {to_text(end)}")

    def _declaration(self, difference: Difference, place: _Place) -> Ruling | None:
        path = difference.path
        declaration = self._declared.get(path)
        if declaration is not None:
            words = f"declared by {declaration.source}, {NOT_MOUNTED}"
            return Ruling(Verdict.DECLARED, words, declaration=declaration)
        if place.declaration is not None:
            return place.declared
        if difference.type is FileType.DIRECTORY and difference.change is Change.CREATED:
            below = self._way_to_declared.get(path)
            if below is not None:
                on_the_way = self._declared[below]
                words = f"parent of {to_text(below)}, declared by {on_the_way.source}, {NOT_MOUNTED}"
                return Ruling(Verdict.DECLARED, words, declaration=on_the_way)
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
    if mount.volume:
        return f"volume {mount.volume}"
    if mount.ephemeral or not mount.source:
        return mount.fstype
    return f"{to_text(mount.source)} ({mount.fstype})"
