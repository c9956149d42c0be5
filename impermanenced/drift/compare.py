"""The comparison of two trees."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Iterator

from ..errors import TooMany
from ..kernel.btrfs import DirEntry, Facts, Inode, Tree
from ..kernel.btrfs.items import dir_entry
from ..model import Change, Difference, Volume
from ..paths import DEEPEST
from . import data
from .describe import SAME, describe, describe_subvolume, letters
from .place import Places
from .side import PLACEHOLDER, ROOT_INODE, Side

Pair = tuple[bytes, DirEntry | None, DirEntry | None]  # a path, and its entry now and in the blank


def _size(names: Iterable[bytes]) -> int:
    """Return by how much these names make a directory larger."""
    return 2 * sum(map(len, names))


class Drift:
    """The comparison of one volume with its blank, through a descriptor on their filesystem.

    A caller that wants the present state syncs the filesystem first.  Needs root; OSError says what could not
    be read.
    """

    def __init__(
        self,
        fd: int,
        volume: Volume,
        base: int | None,
        most: int | None = None,
        *,
        nested: bool = False,
        into: bool = False,
    ) -> None:
        """Prepare the comparison; `base` is what `lineage.baseline` returned, and does not matter without a
        blank.  With `nested`, the volume is a subvolume nested in another one.  With `into`, somebody else
        looks into nested subvolumes: what the blank has in such a place is in `boxes`, and not compared.

        The comparison raises TooMany if about `most` inodes of one side would have to be held in memory.
        """
        self.complete = True  # False once something could not be read
        self.met = 0  # how many names and inodes were looked at so far
        self.boxes: dict[int, DirEntry | None] = {}  # what the blank has in the place of a nested subvolume
        self._into = into
        self._fd = fd
        self._most = most
        self._cut = 0
        self._prefix = volume.path.rstrip(b"/")
        self._base = base if volume.blank_id is not None else None
        self._now = Side.of(fd, volume.root_id)
        self._now.nested_in = volume.root_id if nested else None
        self._was = Side.of(fd, volume.blank_id)
        self._places = Places(self._prefix, self._now, self._was, self._base)

    @property
    def cut(self) -> int:
        """Return how many directories were not looked into, or came up, because a path there would be longer
        than DEEPEST.
        """
        return self._cut + self._places.cut

    @property
    def known(self) -> int:
        """Return how many inodes of both sides are known to be worth a look."""
        return len(self._now.known.inodes) + len(self._was.known.inodes)

    @property
    def was_nested(self) -> dict[int, tuple[int, bytes]]:
        """Return {id: (directory, name)} of what is nested in the blank's side: more than stubs."""
        return self._was.nested

    # All of it

    def differences(self) -> Iterator[Difference]:
        """Yield each name that differs, once and in no order."""
        base = self._base
        self._now.read(base or 0, self._most)
        self._was.read(base or 0, self._most)
        if base is None:
            yield from self._walk(self._prefix, self._now.root, self._was.root)
        else:
            yield from self._changed(base)
        self.complete = self.complete and not self.cut

    def everything(self, was: DirEntry | None, most: int, names: int) -> Iterator[Difference]:
        """Compare all of a nested subvolume with what its volume's blank has in its place, and yield each
        name that differs, in no order.

        Up to `most` inodes are read at once, and of one directory about `names` names.  Raises TooMany as
        `differences` does.
        """
        limit = most if self._most is None else min(most, self._most)
        try:
            self._now.read(0, limit)
        except TooMany:  # one by one then
            if self._most is not None and limit == self._most:
                raise
        self._now.most = names
        yield from self._walk(self._prefix, self._now.root, was, itself=False)

    def _changed(self, base: int) -> Iterator[Difference]:
        new = {number for number, inode in self._now.known.inodes.items() if inode.generation > base}
        # In the order of the tree, where neighbours lie in one block.
        for number in sorted((self._now.known.inodes.keys() | self._was.known.inodes.keys()) - new):
            self.met += 1
            facts, old = self._now.tree.facts(number), self._was.tree.facts(number)
            if facts is None or old is None or facts.inode.nlink == 0:
                continue  # the names that come or go with it are reported by themselves
            if stat.S_ISDIR(facts.inode.mode):
                place = self._places.of(number, facts.names, old.names)
                if place is not None and place.stable:
                    yield from self._changed_inode(place.path, number, facts, number, old)
                    yield from self._changed_names(place.path, number, facts.inode, old.inode)
                continue
            for parent, name in facts.names:
                place = self._places.of(parent)
                # In any other directory a walk finds it.
                if place is not None and place.stable and (parent, name) in old.names:
                    yield from self._changed_inode(place.path + b"/" + name, number, facts, number, old)
        for number, (parent, name) in self._now.nested.items():
            place = self._places.of(parent)
            if place is not None and place.stable:
                was = self._was.tree.lookup(parent, name)
                yield from self._walk(place.path + b"/" + name, DirEntry(number, True), was)

    def _changed_names(self, path: bytes, directory: int, new: Inode, old: Inode) -> Iterator[Difference]:
        """Yield the differences of the names in a stable directory that do not mean the blank's inode.

        The size of a directory is twice the length of all its names.  If one side is as it was, and the other
        grew by just the names that were added, none was taken away, and only these have to be looked at.
        """
        came, went = self._now.added(directory), self._was.added(directory)
        is_unchanged, base = self._was.is_unchanged, self._base
        pairs: Iterable[Pair]
        if base is not None and is_unchanged(directory, base) and new.size == old.size + _size(came):
            pairs = [(path + b"/" + name, entry, None) for name, entry in came.items()]
        elif (
            base is not None
            and self._now.is_unchanged(directory, base)
            and old.size == new.size + _size(went)
        ):
            pairs = [(path + b"/" + name, None, entry) for name, entry in went.items()]
        else:
            pairs = self._differing(path, directory, came, went)
        for below, now, was in pairs:
            if self._is_another(now, was) and not (now is not None and self._now.holds(now)):
                yield from self._walk(below, now, was)

    def _differing(
        self, path: bytes, directory: int, came: dict[bytes, DirEntry], went: dict[bytes, DirEntry]
    ) -> Iterator[Pair]:
        """Yield the names of a stable directory that were added to either side since they went apart, and all
        whose entries differ, side by side.

        Both sides may have made one name in one transaction, so what was added counts as differing always.
        """
        new, old = self._now.tree.listing(directory), self._was.tree.listing(directory)
        mine = {**dict(dir_entry(item, 0) for item in new - old), **came}
        theirs = {**dict(dir_entry(item, 0) for item in old - new), **went}
        for name in mine.keys() | theirs.keys():
            yield path + b"/" + name, mine.get(name), theirs.get(name)

    def _is_another(self, now: DirEntry | None, was: DirEntry | None) -> bool:
        """Return whether two entries of one name are not the same inode: what both sides made since they
        went apart may have the same number.
        """
        return now != was or (now is not None and self._now.has_made(now.objectid))

    # Walks

    def _pairs(self, path: bytes, now: int | None, was: int | None) -> Iterator[Pair]:
        """Yield the names of two directories at one path, side by side."""
        new = self._now.entries(now) if now is not None else {}
        old = self._was.entries(was) if was is not None else {}
        for name, entry in new.items():
            yield path + b"/" + name, entry, old.get(name)
        for name, entry in old.items():
            if name not in new:
                yield path + b"/" + name, None, entry

    def _walk(
        self, path: bytes, now: DirEntry | None, was: DirEntry | None, *, itself: bool = True
    ) -> Iterator[Difference]:
        """Compare what is at one path (`_prefix` is the volume's root), and everything below it.

        Without `itself`, the two at the volume's root are not what is compared, only what is in them.
        """
        stack: list[Pair] = [(path, now, was)]
        while stack:
            path, now, was = stack.pop()
            self.met += 1
            new = self._now.inode(now) if now is not None else None
            old = self._was.inode(was) if was is not None else None
            if now is not None and self._now.holds(now):
                change = Change.REPLACED if old is not None else Change.CREATED
                new = None
                if self._into:
                    self.boxes[now.objectid] = was
                    old = None
                yield self.subvolume(path, now.objectid, change)
            elif path != self._prefix or (old is not None and itself):
                yield from self._compare(path, now, new, was, old)
            below_now = now.objectid if now and new and stat.S_ISDIR(new.mode) and not now.is_root else None
            below_was = was.objectid if was and old and stat.S_ISDIR(old.mode) and not was.is_root else None
            if below_now is None and below_was is None:
                continue
            if len(path) <= DEEPEST:
                stack.extend(self._pairs(path, below_now, below_was))
            else:
                self._cut += 1

    # One name

    def subvolume(self, path: bytes, number: int, change: Change) -> Difference:
        """Return the difference that a nested subvolume is which came, went, or replaced something."""
        root = Tree(self._fd, number).inode(ROOT_INODE) or PLACEHOLDER
        return describe_subvolume(path, number, root, change)

    def _compare(
        self, path: bytes, now: DirEntry | None, new: Inode | None, was: DirEntry | None, old: Inode | None
    ) -> Iterator[Difference]:
        """Yield one or no difference between what stands at a path now and what stood there."""
        path = path or b"/"
        if was is None or old is None:
            if now is not None and new is not None:
                yield describe(self._now, path, now, new, Change.CREATED, "+......")
        elif now is None or new is None:
            if self._was.holds(was):
                yield self.subvolume(path, was.objectid, Change.DELETED)
            else:
                yield describe(self._was, path, was, old, Change.DELETED, "-......")
        elif now == was and self._places.is_unchanged(now.objectid):
            return
        elif stat.S_IFMT(new.mode) != stat.S_IFMT(old.mode) or (self._was.holds(was) and not now.is_root):
            yield describe(self._now, path, now, new, Change.REPLACED, "t......")
        elif new is not PLACEHOLDER and old is not PLACEHOLDER:
            facts, blank_facts = self._now.tree.facts(now.objectid), self._was.tree.facts(was.objectid)
            if facts is not None and blank_facts is not None:
                yield from self._changed_inode(path, now.objectid, facts, was.objectid, blank_facts)

    def _changed_inode(
        self, path: bytes, number: int, new: Facts, blank_number: int, old: Facts
    ) -> Iterator[Difference]:
        """Yield what two inodes of one type that stand at one path differ in."""
        content = self._content_differs(number, new.inode, blank_number, old.inode)
        found = letters(new, old, content=content)
        if found != SAME:
            change = Change.MODIFIED if content else Change.METADATA
            yield describe(self._now, path or b"/", DirEntry(number, False), new.inode, change, found)

    def _content_differs(self, now: int, new: Inode, was: int, old: Inode) -> bool:
        if stat.S_ISREG(new.mode):
            return new.size != old.size or self._data_differs(now, new, was, old)
        if stat.S_ISLNK(new.mode):
            return self._now.target(now) != self._was.target(was)
        if stat.S_ISBLK(new.mode) or stat.S_ISCHR(new.mode):
            return new.rdev != old.rdev
        return False

    def _data_differs(self, now: int, new: Inode, was: int, old: Inode) -> bool:
        try:
            return data.differs(self._fd, self._now.tree, now, new, self._was.tree, was, old)
        except OSError as error:
            # A file that is gone by now is the next report's; one that cannot be read is ours.
            if error.errno not in (errno.ESTALE, errno.ENOENT):
                self.complete = False
            return True

    # Some of it

    def is_shared(self, number: int) -> bool:
        """Return whether an inode is older than the moment when the two sides went apart, and on both."""
        base = self._base
        if base is None or self._now.has_made(number) or self._was.has_made(number):
            return False
        mine, other = self._now.tree.inode(number), self._was.tree.inode(number)
        return mine is not None and other is not None and mine.generation == other.generation <= base

    def of_moved(self, path: bytes, number: int) -> Iterator[Difference]:
        """Yield what a shared inode, which stands at this path now, differs in from what it was."""
        facts, old = self._now.tree.facts(number), self._was.tree.facts(number)
        if facts is not None and old is not None:
            yield from self._changed_inode(path, number, facts, number, old)

    def outermost(self, directory: int) -> tuple[bytes, bool] | None:
        """Return the outermost directory above (or the directory itself) that is not in the blank,
        and True.

        If all are in the blank, return the directory and False; if it is unlinked, None.
        """
        place = self._places.of(directory)
        if place is None:
            return None
        return (place.path or b"/", False) if place.outermost is None else (place.outermost, True)

    def of_inode(self, number: int) -> Iterator[Difference]:
        """Yield the differences of the names that an inode has now, or had in the blank and lost."""
        entry = DirEntry(number, False)
        inode = self._now.tree.inode(number)
        if number == ROOT_INODE and self._now.nested_in is not None:
            yield self.subvolume(self._prefix, self._now.nested_in, Change.CREATED)
        elif inode is not None and inode.nlink:
            for path, was in self._places.of_inode(number):
                old = self._was.inode(was) if was is not None else None
                yield from self._compare(path, entry, inode, was, old)
        elif (old := self._was.tree.inode(number)) is not None:
            for parent, name in self._was.tree.each_name(number):
                above = self._was.path_of(parent)
                if above is not None and self._now.resolve(above + b"/" + name) is None:
                    yield from self._compare(self._prefix + above + b"/" + name, None, None, entry, old)
