"""The places of a volume's directories, compared with their places in the blank."""

from __future__ import annotations

from collections.abc import Iterator

from ..kernel.btrfs import DirEntry
from ..lazy import NamedTuple
from ..paths import DEEPEST
from .side import ROOT_INODE, Side

Names = list[tuple[int, bytes]]  # (directory, name) of each hard link


class Place(NamedTuple):
    """The place of one directory of the volume."""

    path: bytes
    blank: int | None  # the inode of the blank's directory at that path
    stable: bool  # whether it and all above it are the same inodes as in the blank
    outermost: bytes | None = None  # the path of the outermost of them that is not


class Places:
    """The places of directories, each found once."""

    def __init__(self, prefix: bytes, now: Side, was: Side, base: int | None) -> None:
        """Begin at the volume's root, whose path is `prefix`; `base` is the transaction after which the two
        sides went apart, or None if that is not known.
        """
        self._now = now
        self._was = was
        self._base = base
        root = Place(prefix, None if was.root is None else ROOT_INODE, stable=was.root is not None)
        self._known: dict[int, Place | None] = {ROOT_INODE: root}
        self.cut = 0  # directories in too deep a one, which have no place

    def is_unchanged(self, inode: int) -> bool:
        """Return whether neither side changed this inode since the baseline; False also if that is
        not known.
        """
        base = self._base
        if base is None:
            return False
        return self._now.is_unchanged(inode, base) and self._was.is_unchanged(inode, base)

    def of(
        self, directory: int, names: Names | None = None, in_blank: Names | None = None
    ) -> Place | None:
        """Return where a directory of the volume stands, or None if it is unlinked or lies too deep.

        `names` and `in_blank`, where the caller knows them already, are the names of this inode in the volume
        and in the blank.
        """
        chain, wanted = [], directory
        while directory not in self._known:
            if names is None:
                names = self._now.tree.names(directory)
            if not names:
                self._known[directory] = None
                break
            chain.append((directory, names[0]))
            directory = names[0][0]
            names = None
        place = self._known[directory]
        for directory, link in reversed(chain):
            if place is not None:
                kept = directory == wanted and in_blank is not None and link in in_blank
                place = self._below(place, directory, link[1], kept) if len(place.path) <= DEEPEST else None
                self.cut += place is None
            self._known[directory] = place
        return place

    def _below(self, above: Place, directory: int, name: bytes, kept: bool) -> Place:
        """Return the place of a directory below another one; `kept` says that the blank is known to have an
        inode with the same number by the same name there.
        """
        path = above.path + b"/" + name
        if above.stable and self.is_unchanged(directory):
            return Place(path, directory, stable=True)
        blank: int | None = directory
        if not (above.stable and kept):
            found = self.in_blank(above, name)
            blank = found.objectid if found is not None and not found.is_root else None
        # What both sides made since they went apart may have one number without being one directory.
        stable = above.stable and blank == directory and not self._now.has_made(directory)
        return Place(path, blank, stable=stable, outermost=above.outermost or (None if stable else path))

    def in_blank(self, place: Place, name: bytes) -> DirEntry | None:
        """Return what the blank has by a name in the directory at a place, or None."""
        return None if place.blank is None else self._was.tree.lookup(place.blank, name)

    def of_inode(self, number: int) -> Iterator[tuple[bytes, DirEntry | None]]:
        """Yield the paths of an inode of the volume, each with what the blank has there."""
        if number == ROOT_INODE:
            root = self._known[ROOT_INODE]
            if root is not None:
                yield root.path, self._was.root
            return
        for parent, name in self._now.tree.each_name(number):
            place = self.of(parent)
            if place is not None:
                yield place.path + b"/" + name, self.in_blank(place, name)
