"""The inode at a path, by tree searches: no name is followed, and a path may be of any length."""

from __future__ import annotations

from dataclasses import dataclass

from ..kernel.btrfs import DirEntry, Inode, Tree
from .side import ROOT, ROOT_INODE


@dataclass(frozen=True, slots=True)
class Located:
    """What stands at a path."""

    tree: Tree  # of the subvolume that it lies in, or is
    number: int  # its inode there
    inode: Inode
    directory: int  # the inode of the directory that has its name; 0 for a topmost one


def locate(fd: int, root_id: int, path: bytes) -> Located | None:
    """Return what is at a path from the root of a subvolume, such as `/a/b`, also in nested ones; None if
    nothing is there.  Raises OSError if a tree cannot be read.
    """
    tree, entry, directory = Tree(fd, root_id), ROOT, 0
    for name in filter(None, path.split(b"/")):
        directory = entry.objectid
        found = tree.lookup(directory, name)
        if found is None:
            return None
        if found.is_root:
            if found.objectid not in tree.nested():
                return None  # the stub of one that was nested elsewhere
            tree, directory, found = Tree(fd, found.objectid), 0, DirEntry(ROOT_INODE, False)
        entry = found
    inode = tree.inode(entry.objectid)
    return None if inode is None else Located(tree, entry.objectid, inode, directory)
