"""The comparison of two trees."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ..kernel import btrfs
from ..kernel.btrfs import DirEntry, Inode, Tree
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


@dataclass(slots=True)
class _Side:
    """One of the two trees, with what is already known of it."""

    tree: Tree
    known: btrfs.Snapshot
    nested: dict[int, tuple[int, bytes]]

    def inode(self, entry: DirEntry) -> Inode:
        if entry.is_root:
            return _PLACEHOLDER
        inode = self.known.inodes.get(entry.objectid) or self.tree.inode(entry.objectid)
        return inode or _PLACEHOLDER

    def entries(self, directory: int) -> dict[bytes, DirEntry]:
        entries = self.known.entries.get(directory)
        return self.tree.entries(directory) if entries is None else entries

    def target(self, inode: int) -> bytes:
        known = self.known.targets.get(inode)
        return self.tree.target(inode) if known is None else known


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a directory of the volume stands."""

    path: bytes
    blank: int | None  # the blank's directory at that path
    stable: bool  # it and all above it are the same inodes as in the blank


_NOTHING = btrfs.Snapshot({}, {}, {})


class Drift:
    """The comparison of one volume with its blank, through a descriptor on their filesystem.

    Whoever wants the filesystem's present state syncs it first.  Needs root; OSError says what
    could not be read.
    """

    def __init__(self, fd: int, volume: Volume, base: int | None) -> None:
        """`base` is what `lineage.baseline` found; without a blank it does not matter."""
        self.complete = True  # False once something could not be read
        self._fd = fd
        self._prefix = volume.path.rstrip(b"/")
        self._base = base if volume.blank_id is not None else None
        tree = Tree(fd, volume.root_id)
        self._now = _Side(tree, _NOTHING, tree.nested())
        self._blank: _Side | None = None
        if volume.blank_id is not None:
            tree = Tree(fd, volume.blank_id)
            self._blank = _Side(tree, _NOTHING, tree.nested())
        self._places: dict[int, _Place | None] = {}

    # All of it

    def differences(self) -> Iterator[Difference]:
        """Each name that differs, once; in no order that means anything."""
        if self._blank is None:
            self._now.known = self._now.tree.changed(0)
            yield from self._walk(self._prefix, DirEntry(ROOT_INODE, False), None)
        elif self._base is None:
            self._now.known = self._now.tree.changed(0)
            self._blank.known = self._blank.tree.changed(0)
            yield from self._walk(self._prefix, DirEntry(ROOT_INODE, False), DirEntry(ROOT_INODE, False))
        else:
            self._now.known = self._now.tree.changed(self._base)
            self._blank.known = self._blank.tree.changed(self._base)
            yield from self._changed(self._blank, self._base)

    def _changed(self, blank: _Side, base: int) -> Iterator[Difference]:
        for number in self._now.known.inodes.keys() | blank.known.inodes.keys():
            inode = self._now.known.inodes.get(number) or self._now.tree.inode(number)
            if inode is None or inode.generation > base or inode.nlink == 0:
                continue  # its names say all there is to say
            entry = DirEntry(number, False)
            if stat.S_ISDIR(inode.mode):
                place = self._place(number)
                if place is not None and place.stable:
                    yield from self._compare(place.path, entry, inode, entry, blank.inode(entry))
                    yield from self._changed_names(place.path, number)
                continue
            for parent, name in self._now.tree.names(number):
                place = self._place(parent)
                # Under any other directory a walk meets it.
                if place is not None and place.stable and blank.tree.lookup(parent, name) == entry:
                    path = place.path + b"/" + name
                    yield from self._compare(path, entry, inode, entry, blank.inode(entry))
        for number, (parent, name) in self._now.nested.items():
            place = self._place(parent)
            if place is not None and place.stable:
                was = blank.tree.lookup(parent, name)
                yield from self._walk(place.path + b"/" + name, DirEntry(number, True), was)

    def _changed_names(self, path: bytes, directory: int) -> Iterator[Difference]:
        """What the names of a stable directory hold, where that is not the inode of the blank."""
        for below, now, was in self._pairs(path, directory, directory):
            if now != was and not (now is not None and self._is_subvolume(now)):
                yield from self._walk(below, now, was)

    def _place(self, directory: int) -> _Place | None:
        """Where a directory of the volume stands; None: it is unlinked."""
        chain = []
        while directory not in self._places:
            if directory == ROOT_INODE:
                root = ROOT_INODE if self._blank else None
                self._places[directory] = _Place(self._prefix, root, stable=root is not None)
                break
            names = self._now.tree.names(directory)
            if not names:
                self._places[directory] = None
                break
            chain.append((directory, names[0][1]))
            directory = names[0][0]
        place = self._places[directory]
        for directory, name in reversed(chain):
            if place is not None:
                found = self._blank_entry(place.blank, name)
                blank = found.objectid if found is not None and not found.is_root else None
                stable = place.stable and blank == directory
                place = _Place(place.path + b"/" + name, blank, stable)
            self._places[directory] = place
        return place

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

    def _untouched(self, now: DirEntry | None, was: DirEntry | None) -> bool:
        """One inode, which neither side changed since the baseline."""
        if self._base is None or self._blank is None or now is None or now != was:
            return False
        if self._blank.known is _NOTHING:
            return False  # nobody asked yet what changed
        number = now.objectid
        return number not in self._now.known.inodes and number not in self._blank.known.inodes

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
            subvolume=number,
        )

    def _compare(
        self, path: bytes, now: DirEntry | None, new: Inode | None, was: DirEntry | None, old: Inode | None
    ) -> Iterator[Difference]:
        """One or no difference."""
        path = path or b"/"
        if self._untouched(now, was):
            return
        if now is None or new is None:
            assert self._blank and was is not None and old is not None
            yield self._describe(self._blank, path, was, old, Change.DELETED, "-......")
        elif was is None or old is None:
            yield self._describe(self._now, path, now, new, Change.CREATED, "+......")
        elif stat.S_IFMT(new.mode) != stat.S_IFMT(old.mode):
            yield self._describe(self._now, path, now, new, Change.REPLACED, "t......")
        elif new is not _PLACEHOLDER and old is not _PLACEHOLDER:
            letters = self._letters(now.objectid, new, was.objectid, old)
            if letters != ".......":
                change = Change.MODIFIED if letters[0] == "c" else Change.METADATA
                yield self._describe(self._now, path, now, new, change, letters)

    def _letters(self, now: int, new: Inode, was: int, old: Inode) -> str:
        assert self._blank
        xattrs, blank_xattrs = self._now.tree.xattrs(now), self._blank.tree.xattrs(was)
        acls = [xattrs.pop(name, None) for name in _ACLS]
        blank_acls = [blank_xattrs.pop(name, None) for name in _ACLS]
        regular = stat.S_ISREG(new.mode)
        touched = regular and (new.mtime, new.mtime_nsec) != (old.mtime, old.mtime_nsec)
        return "".join(
            (
                "c" if self._content_differs(now, new, was, old) else ".",
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
            target=side.target(entry.objectid) if kind is FileType.SYMLINK else None,
        )

    # Some of it

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


def _attributes(inode: Inode) -> int:
    """The flags of chattr(1)."""
    return inode.flags & _ASKED_FLAGS
