"""The comparison of what stands at one path in two trees, by what it holds."""

from __future__ import annotations

import stat

from . import data
from .locate import Located


def holds_the_same(fd: int, one: Located, two: Located) -> bool:
    """Return whether two things have the same type and content: of a directory, the same names.

    Raises OSError if one cannot be read.
    """
    new, old = one.inode, two.inode
    if stat.S_IFMT(new.mode) != stat.S_IFMT(old.mode):
        return False
    if stat.S_ISREG(new.mode):
        return new.size == old.size and not data.differs(
            fd, one.tree, one.number, new, two.tree, two.number, old
        )
    if stat.S_ISLNK(new.mode):
        return one.tree.target(one.number) == two.tree.target(two.number)
    if stat.S_ISDIR(new.mode):
        return one.tree.entries(one.number).keys() == two.tree.entries(two.number).keys()
    return new.rdev == old.rdev
