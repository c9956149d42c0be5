"""Moves: names that went and came with the same inode.

Two trees that went apart at some moment share the numbers of all inodes that are older: where one of these
has lost a name and has got another, it was moved.  What is below a directory that was moved went along.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..lazy import NamedTuple
from ..model import Change, Difference, FileType
from .compare import Drift


class Move(NamedTuple):
    """A name that was given up for another one, with everything below it."""

    old: bytes
    new: bytes
    type: FileType
    size: int  # bytes, of a file


def recognise(found: Sequence[Difference], drift: Drift) -> tuple[list[Move], list[Difference]]:
    """Return the outermost moves among the differences of two trees, and the differences that are left.

    What was moved and has also changed is left as a change at its new path.
    """
    pairs = _pairs(found, drift)
    if not pairs:
        return [], list(found)
    gone = {old.path for old, _ in pairs}
    come = {new.path for _, new in pairs}
    rest = [
        one
        for one in found
        if not (one.path in gone and one.change is Change.DELETED)
        and not (one.path in come and one.change is Change.CREATED)
    ]
    there = {old.path: new.path for old, new in pairs}
    moves = []
    for old, new in pairs:
        rest.extend(drift.of_moved(new.path, new.inode))
        if not _went_along(old.path, new.path, there):
            moves.append(Move(old.path, new.path, new.type, new.size))
    return moves, rest


def _went_along(old: bytes, new: bytes, there: Mapping[bytes, bytes]) -> bool:
    """Tell whether the directory above was moved from and to the same places."""
    return os.path.basename(old) == os.path.basename(new) and there.get(
        os.path.dirname(old)
    ) == os.path.dirname(new)


def _pairs(found: Sequence[Difference], drift: Drift) -> list[tuple[Difference, Difference]]:
    """Return (what went, what came) for each name that an inode has lost and got another one for."""
    gone: dict[int, list[Difference]] = {}
    for one in found:
        if one.change is Change.DELETED and one.type is not FileType.SUBVOLUME:
            gone.setdefault(one.inode, []).append(one)
    pairs = []
    for one in sorted(found, key=lambda one: one.path):
        if one.change is Change.CREATED and gone.get(one.inode) and drift.is_shared(one.inode):
            pairs.append((gone[one.inode].pop(0), one))
    return pairs
