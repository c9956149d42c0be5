"""The comparison of two trees."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..kernel import btrfs
from ..kernel.btrfs import DirEntry, Facts, Inode, Tree
from ..model import Change, Difference, FileType, Volume
from . import data

ROOT_INODE = btrfs.BTRFS_FIRST_FREE_OBJECTID
_TYPES = {
    stat.S_IFREG: FileType.FILE,
    stat.S_IFDIR: FileType.DIRECTORY,
    stat.S_IFLNK: FileType.SYMLINK,
    stat.S_IFIFO: FileType.FIFO,
    stat.S_IFSOCK: FileType.SOCKET,
    stat.S_IFBLK: FileType.BLOCK,
    stat.S_IFCHR: FileType.CHAR,
}
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")
# A nested subvolume's entry in a snapshot, and an entry whose inode cannot be found: nothing is
# known of them but that they are there.
_PLACEHOLDER = Inode._make((0,) * 8 + (stat.S_IFDIR | 0o755,) + (0,) * 11)


_NOTHING = btrfs.Changes({}, {}, {})


@dataclass(slots=True)
class _Side:
    """One of the two trees, with what is already known of it."""

    tree: Tree
    nested: dict[int, tuple[int, bytes]]
    known: btrfs.Changes = _NOTHING
    since: int = 0  # the transaction after which all is known

    def read(self, since: int, most: int | None) -> None:
        self.since = since
        self.known = self.tree.changed(since, most)

    def inode(self, entry: DirEntry) -> Inode:
        if entry.is_root:
            return _PLACEHOLDER
        inode = self.known.inodes.get(entry.objectid) or self.tree.inode(entry.objectid)
        return inode or _PLACEHOLDER

    def entries(self, directory: int) -> dict[bytes, DirEntry]:
        inode = self.known.inodes.get(directory)
        if inode is not None and inode.generation > self.since:
            return self.known.names.get(directory, {})
        return self.tree.entries(directory)

    def added(self, directory: int) -> dict[bytes, DirEntry]:
        return self.known.names.get(directory, {})

    def target(self, inode: int) -> bytes:
        known = self.known.targets.get(inode)
        return self.tree.target(inode) if known is None else known


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a directory of the volume stands."""

    path: bytes
    blank: int | None  # the blank's directory at that path
    stable: bool  # it and all above it are the same inodes as in the blank
    outermost: bytes | None = None  # of it and those above, the first that is not


class Drift:
    """The comparison of one volume with its blank, through a descriptor on their filesystem.

    Whoever wants the filesystem's present state syncs it first.  Needs root; OSError says what
    could not be read.
    """

    def __init__(self, fd: int, volume: Volume, base: int | None, most: int | None = None) -> None:
        """`base` is what `lineage.baseline` found; without a blank it does not matter.

        TooMany ends the comparison where about `most` inodes of one side would have to be held in memory.
        """
        self.complete = True  # False once something could not be read
        self._fd = fd
        self._most = most
        self._prefix = volume.path.rstrip(b"/")
        self._base = base if volume.blank_id is not None else None
        tree = Tree(fd, volume.root_id)
        self._now = _Side(tree, tree.nested())
        self._blank: _Side | None = None
        if volume.blank_id is not None:
            tree = Tree(fd, volume.blank_id)
            self._blank = _Side(tree, tree.nested())
        self._places: dict[int, _Place | None] = {}

    # All of it

    def differences(self) -> Iterator[Difference]:
        """Each name that differs, once; in no order that means anything."""
        if self._blank is None:
            self._now.read(0, self._most)
            yield from self._walk(self._prefix, DirEntry(ROOT_INODE, False), None)
        elif self._base is None:
            self._now.read(0, self._most)
            self._blank.read(0, self._most)
            yield from self._walk(self._prefix, DirEntry(ROOT_INODE, False), DirEntry(ROOT_INODE, False))
        else:
            self._now.read(self._base, self._most)
            self._blank.read(self._base, self._most)
            yield from self._changed(self._blank, self._base)

    def _changed(self, blank: _Side, base: int) -> Iterator[Difference]:
        new = {number for number, inode in self._now.known.inodes.items() if inode.generation > base}
        for number in (self._now.known.inodes.keys() | blank.known.inodes.keys()) - new:
            facts, old = self._now.tree.facts(number), blank.tree.facts(number)
            if facts is None or old is None or facts.inode.nlink == 0:
                continue  # the names that come or go with it say all there is to say
            if stat.S_ISDIR(facts.inode.mode):
                place = self._place(number, facts.names)
                if place is not None and place.stable:
                    yield from self._changed_inode(place.path, number, facts, old)
                    yield from self._changed_names(place.path, number, facts.inode, old.inode)
                continue
            for parent, name in facts.names:
                place = self._place(parent)
                # Under any other directory a walk meets it.
                if place is not None and place.stable and (parent, name) in old.names:
                    yield from self._changed_inode(place.path + b"/" + name, number, facts, old)
        for number, (parent, name) in self._now.nested.items():
            place = self._place(parent)
            if place is not None and place.stable:
                was = blank.tree.lookup(parent, name)
                yield from self._walk(place.path + b"/" + name, DirEntry(number, True), was)

    def _changed_names(self, path: bytes, directory: int, new: Inode, old: Inode) -> Iterator[Difference]:
        """What the names of a stable directory hold, where that is not the inode of the blank.

        The size of a directory is twice the length of all its names.  If it grew by just the
        names that were added, none was taken away, and nothing but these needs to be looked at.
        """
        added = self._now.added(directory)
        grown = 2 * sum(map(len, added))
        pairs: Iterable[tuple[bytes, DirEntry | None, DirEntry | None]]
        if new.size == old.size + grown and not (self._blank and self._blank.added(directory)):
            pairs = [(path + b"/" + name, entry, None) for name, entry in added.items()]
        else:
            pairs = self._pairs(path, directory, directory)
        for below, now, was in pairs:
            if now != was and not (now is not None and self._is_subvolume(now)):
                yield from self._walk(below, now, was)

    def _place(self, directory: int, names: list[tuple[int, bytes]] | None = None) -> _Place | None:
        """Where a directory of the volume stands; None: it is unlinked.

        `names`, where the caller knows them already, are the directory's.
        """
        chain = []
        while directory not in self._places:
            if directory == ROOT_INODE:
                root = ROOT_INODE if self._blank else None
                self._places[directory] = _Place(self._prefix, root, stable=root is not None)
                break
            if names is None:
                names = self._now.tree.names(directory)
            if not names:
                self._places[directory] = None
                break
            chain.append((directory, names[0][1]))
            directory = names[0][0]
            names = None
        place = self._places[directory]
        for directory, name in reversed(chain):
            if place is not None:
                place = self._below(place, directory, name)
            self._places[directory] = place
        return place

    def _below(self, above: _Place, directory: int, name: bytes) -> _Place:
        path = above.path + b"/" + name
        if above.stable and self._unchanged(directory):
            return _Place(path, directory, stable=True)
        found = self._blank_entry(above.blank, name)
        blank = found.objectid if found is not None and not found.is_root else None
        stable = above.stable and blank == directory
        return _Place(path, blank, stable=stable, outermost=above.outermost or (None if stable else path))

    def _blank_entry(self, directory: int | None, name: bytes) -> DirEntry | None:
        if self._blank is None or directory is None:
            return None
        return self._blank.tree.lookup(directory, name)

    # Walks

    def _pairs(
        self, path: bytes, now: int | None, was: int | None
    ) -> Iterator[tuple[bytes, DirEntry | None, DirEntry | None]]:
        """The names of two directories that stand at one path, put side by side."""
        new = self._now.entries(now) if now is not None else {}
        old = self._blank.entries(was) if self._blank and was is not None else {}
        for name, entry in new.items():
            yield path + b"/" + name, entry, old.get(name)
        for name, entry in old.items():
            if name not in new:
                yield path + b"/" + name, None, entry

    def _walk(self, path: bytes, now: DirEntry | None, was: DirEntry | None) -> Iterator[Difference]:
        """Compare what stands at one path (`_prefix`: the volume's root), and all below it."""
        stack = [(path, now, was)]
        while stack:
            path, now, was = stack.pop()
            new = self._now.inode(now) if now is not None else None
            old = self._blank.inode(was) if self._blank is not None and was is not None else None
            if now is not None and self._is_subvolume(now):
                yield self._subvolume(path, now.objectid, replaces=old is not None)
                new = None
            elif path != self._prefix or old is not None:
                yield from self._compare(path, now, new, was, old)
            below_now = now.objectid if now and new and stat.S_ISDIR(new.mode) and not now.is_root else None
            below_was = was.objectid if was and old and stat.S_ISDIR(old.mode) and not was.is_root else None
            if below_now is not None or below_was is not None:
                stack.extend(self._pairs(path, below_now, below_was))

    def _is_subvolume(self, entry: DirEntry) -> bool:
        """A real one: in a snapshot such an entry is but an empty directory."""
        return entry.is_root and entry.objectid in self._now.nested

    def _unchanged(self, number: int) -> bool:
        """Neither side changed this inode since the baseline.  False also when that is not known."""
        if self._base is None or self._blank is None or self._blank.known is _NOTHING:
            return False
        known = number in self._now.known.inodes or number in self._blank.known.inodes
        return not known and self._now.since == self._base

    # One name

    def _subvolume(self, path: bytes, number: int, *, replaces: bool) -> Difference:
        inode = Tree(self._fd, number).inode(ROOT_INODE) or _PLACEHOLDER
        change, letters = (Change.REPLACED, "t......") if replaces else (Change.CREATED, "+......")
        return Difference(
            path=path,
            type=FileType.SUBVOLUME,
            change=change,
            letters=letters,
            inode=ROOT_INODE,
            size=0,
            uid=inode.uid,
            gid=inode.gid,
            mode=stat.S_IMODE(inode.mode),
            mtime=inode.mtime * 10**9 + inode.mtime_nsec,
            ctime=inode.ctime * 10**9 + inode.ctime_nsec,
            subvolume=number,
        )

    def _compare(
        self, path: bytes, now: DirEntry | None, new: Inode | None, was: DirEntry | None, old: Inode | None
    ) -> Iterator[Difference]:
        """One or no difference."""
        path = path or b"/"
        if now is not None and now == was and self._unchanged(now.objectid):
            return
        if now is None or new is None:
            assert self._blank and was is not None and old is not None
            yield self._describe(self._blank, path, was, old, Change.DELETED, "-......")
        elif was is None or old is None:
            yield self._describe(self._now, path, now, new, Change.CREATED, "+......")
        elif stat.S_IFMT(new.mode) != stat.S_IFMT(old.mode):
            yield self._describe(self._now, path, now, new, Change.REPLACED, "t......")
        elif new is not _PLACEHOLDER and old is not _PLACEHOLDER:
            facts = self._now.tree.facts(now.objectid)
            blank_facts = self._blank.tree.facts(was.objectid) if self._blank else None
            if facts is not None and blank_facts is not None:
                yield from self._changed_inode(path, now.objectid, facts, blank_facts, was.objectid)

    def _changed_inode(
        self, path: bytes, number: int, new: Facts, old: Facts, blank_number: int | None = None
    ) -> Iterator[Difference]:
        """What two inodes of one type that stand at one path differ in."""
        letters = self._letters(number, new, number if blank_number is None else blank_number, old)
        if letters != ".......":
            change = Change.MODIFIED if letters[0] == "c" else Change.METADATA
            entry = DirEntry(number, False)
            yield self._describe(self._now, path or b"/", entry, new.inode, change, letters)

    def _letters(self, number: int, facts: Facts, blank_number: int, blank: Facts) -> str:
        new, old = facts.inode, blank.inode
        acls, blank_acls = ([one.xattrs.get(name) for name in _ACLS] for one in (facts, blank))
        xattrs, blank_xattrs = (_plain(one.xattrs) for one in (facts, blank))
        touched = stat.S_ISREG(new.mode) and (new.mtime, new.mtime_nsec) != (old.mtime, old.mtime_nsec)
        return "".join(
            (
                "c" if self._content_differs(number, new, blank_number, old) else ".",
                "p" if new.mode != old.mode else ".",
                "u" if new.uid != old.uid else ".",
                "g" if new.gid != old.gid else ".",
                "x" if xattrs != blank_xattrs or _attributes(new) != _attributes(old) else ".",
                "a" if acls != blank_acls else ".",
                "m" if touched else ".",
            )
        )

    def _content_differs(self, now: int, new: Inode, was: int, old: Inode) -> bool:
        assert self._blank
        if stat.S_ISREG(new.mode):
            if new.size != old.size:
                return True
            return self._data_differs(now, new, was, old)
        if stat.S_ISLNK(new.mode):
            return self._now.target(now) != self._blank.target(was)
        if stat.S_ISBLK(new.mode) or stat.S_ISCHR(new.mode):
            return new.rdev != old.rdev
        return False

    def _data_differs(self, now: int, new: Inode, was: int, old: Inode) -> bool:
        assert self._blank
        try:
            return data.differs(self._fd, self._now.tree, now, new, self._blank.tree, was, old)
        except OSError as error:
            # A file that is gone by now is the next report's; one that cannot be read is ours.
            if error.errno not in (errno.ESTALE, errno.ENOENT):
                self.complete = False
            return True

    def _describe(
        self, side: _Side, path: bytes, entry: DirEntry, inode: Inode, change: Change, letters: str
    ) -> Difference:
        kind = _TYPES.get(stat.S_IFMT(inode.mode), FileType.FILE)
        return Difference(
            path=path,
            type=kind,
            change=change,
            letters=letters,
            inode=entry.objectid,
            size=0 if kind is FileType.DIRECTORY else inode.size,
            uid=inode.uid,
            gid=inode.gid,
            mode=stat.S_IMODE(inode.mode),
            mtime=inode.mtime * 10**9 + inode.mtime_nsec,
            ctime=inode.ctime * 10**9 + inode.ctime_nsec,
            target=side.target(entry.objectid) if kind is FileType.SYMLINK else None,
        )

    # Some of it

    def outermost(self, directory: int) -> tuple[bytes, bool] | None:
        """The outermost directory that holds a directory, or is it, and is not in the blank, and True; where
        all of them are, the directory itself and False.  None: it is unlinked."""
        place = self._place(directory)
        if place is None:
            return None
        return (place.path or b"/", False) if place.outermost is None else (place.outermost, True)

    def of_inode(self, number: int) -> Iterator[Difference]:
        """The differences of the names that an inode has now, or had in the blank and lost."""
        entry = DirEntry(number, False)
        inode = self._now.tree.inode(number)
        if inode is not None and inode.nlink:
            for path, was in self._names_now(number):
                old = self._blank.inode(was) if self._blank and was is not None else None
                yield from self._compare(path, entry, inode, was, old)
        elif self._blank is not None and (old := self._blank.tree.inode(number)) is not None:
            for parent, name in self._blank.tree.names(number):
                above = self._path_in_blank(parent)
                if above is not None and self._resolve(self._now.tree, above + b"/" + name) is None:
                    yield from self._compare(self._prefix + above + b"/" + name, None, None, entry, old)

    def _names_now(self, number: int) -> Iterator[tuple[bytes, DirEntry | None]]:
        """The paths of an inode of the volume, each with what the blank holds there."""
        if number == ROOT_INODE:
            yield self._prefix, DirEntry(ROOT_INODE, False) if self._blank else None
            return
        for parent, name in self._now.tree.names(number):
            place = self._place(parent)
            if place is not None:
                yield place.path + b"/" + name, self._blank_entry(place.blank, name)

    def _path_in_blank(self, directory: int) -> bytes | None:
        assert self._blank
        parts: list[bytes] = []
        while directory != ROOT_INODE:
            names = self._blank.tree.names(directory)
            if not names:
                return None
            directory = names[0][0]
            parts.append(names[0][1])
        return b"".join(b"/" + part for part in reversed(parts))

    def _resolve(self, tree: Tree, path: bytes) -> DirEntry | None:
        entry: DirEntry | None = DirEntry(ROOT_INODE, False)
        for name in path.split(b"/")[1:]:
            if entry is None or entry.is_root:
                return None
            entry = tree.lookup(entry.objectid, name)
        return entry


# BTRFS_INODE_* of linux/btrfs_tree.h that somebody asked for: NODATACOW, SYNC, IMMUTABLE, APPEND,
# NODUMP, NOATIME, DIRSYNC, COMPRESS.  The kernel sets the others by itself.
_ASKED_FLAGS = 0x2 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800


def _plain(xattrs: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Without the ACLs, which have a letter of their own."""
    return {name: value for name, value in xattrs.items() if name not in _ACLS}


def _attributes(inode: Inode) -> int:
    """The flags of chattr(1)."""
    return inode.flags & _ASKED_FLAGS
