"""One of the two trees of a comparison."""

from __future__ import annotations

import stat

from ..kernel import btrfs
from ..kernel.btrfs import DirEntry, Inode, Tree
from ..kernel.btrfs.tree import Key

ROOT_INODE = btrfs.BTRFS_FIRST_FREE_OBJECTID
ROOT = DirEntry(ROOT_INODE, False)

# Stands for a nested subvolume's entry in a snapshot, and for an entry whose inode cannot be found: nothing
# is known of either but that it is there.
PLACEHOLDER = Inode._make((0,) * 8 + (stat.S_IFDIR | 0o755,) + (0,) * 11)

_NOTHING = btrfs.Changes({}, {}, {})


class EmptyTree(Tree):
    """The tree of a subvolume that holds nothing, in place of a blank that a volume does not have."""

    def __init__(self) -> None:
        super().__init__(-1, 0)

    def fill(self, buffer: bytearray, first: Key, last: Key, min_transid: int = 0) -> int:
        return 0

    def nested(self) -> dict[int, tuple[int, bytes]]:
        return {}


class Side:
    """One tree, with what is already known of it."""

    def __init__(self, tree: Tree, root: DirEntry | None, nested: dict[int, tuple[int, bytes]]) -> None:
        self.tree = tree
        self.root = root  # its topmost directory; None if the tree is empty
        self.nested = nested
        self.known = _NOTHING
        self.since: int | None = None  # the transaction after which all is known; None: nothing was read
        self.nested_in: int | None = None  # its own id, if it is a nested subvolume
        self.most = btrfs.MAX_U64  # names of one directory that are read

    @classmethod
    def of(cls, fd: int, root_id: int | None) -> Side:
        """Return the side of a subvolume, or of an empty one for None."""
        if root_id is None:
            return cls(EmptyTree(), None, {})
        tree = Tree(fd, root_id)
        return cls(tree, ROOT, tree.nested())

    def read(self, since: int, most: int | None) -> None:
        """Read what came after a transaction.  Raises TooMany if that is far more than `most` inodes."""
        self.known = self.tree.changed(since, most)
        self.since = since

    def is_unchanged(self, inode: int, base: int) -> bool:
        """Return whether an inode is as it was after the transaction `base`; False if that is not known."""
        return self.since == base and inode not in self.known.inodes

    def has_made(self, inode: int) -> bool:
        """Return whether an inode came after the transaction that was read from."""
        found = self.known.inodes.get(inode)
        return found is not None and self.since is not None and found.generation > self.since

    def holds(self, entry: DirEntry) -> bool:
        """Return whether the entry is a real subvolume: in a snapshot such an entry is an empty directory."""
        return entry.is_root and entry.objectid in self.nested

    def inode(self, entry: DirEntry) -> Inode:
        """Return the inode that an entry leads to, or a placeholder."""
        if entry.is_root:
            return PLACEHOLDER
        inode = self.known.inodes.get(entry.objectid) or self.tree.inode(entry.objectid)
        return inode or PLACEHOLDER

    def entries(self, directory: int) -> dict[bytes, DirEntry]:
        """Return {name: entry} of a directory."""
        if self.has_made(directory):
            return self.known.names.get(directory, {})
        return self.tree.entries(directory, self.most)

    def added(self, directory: int) -> dict[bytes, DirEntry]:
        """Return {name: entry} of what came into a directory after the transaction that was read from."""
        return self.known.names.get(directory, {})

    def target(self, inode: int) -> bytes:
        """Return where a symlink leads."""
        known = self.known.targets.get(inode)
        return self.tree.target(inode) if known is None else known

    def resolve(self, path: bytes) -> DirEntry | None:
        """Return the entry at a path from the root of the tree, such as `/a/b`, or None."""
        entry = self.root
        for name in path.split(b"/")[1:]:
            if entry is None or entry.is_root:
                return None
            entry = self.tree.lookup(entry.objectid, name)
        return entry

    def path_of(self, directory: int) -> bytes | None:
        """Return the path of a directory from the root of the tree, or None if it is unlinked."""
        parts: list[bytes] = []
        while directory != ROOT_INODE:
            names = self.tree.names(directory)
            if not names:
                return None
            directory = names[0][0]
            parts.append(names[0][1])
        return b"".join(b"/" + part for part in reversed(parts))
