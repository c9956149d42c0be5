"""A memory of very many numbers, each with a rank, that takes little memory and forgets the oldest.

Small objects that live long would keep whole pools of Python's memory from the kernel, because they are made
among those of a storm; a table is one object.
"""

from __future__ import annotations

from array import array

_EMPTY = 0
_RANK = 4  # the lowest bits of what is stored; the others are the number's
HIGHEST = (1 << _RANK) - 1


class SeenNumbers:
    """A memory of 60-bit numbers: the latest `most` or at least half of that, at up to 16 bytes each.

    A set takes four times as much.  There are two tables: when the young one is full it becomes the old one,
    and the numbers of the old one are forgotten.  A number is stored at its place in a table, or at the next
    free one.
    """

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._young, self._old = _table(1), _table(1)
        self._count = 0

    def add(self, number: int, rank: int = 1) -> bool:
        """Add a number with a rank from 1 to HIGHEST, and return whether it is new, or new with so high a
        rank.
        """
        number = (number << _RANK | rank) & 0xFFFFFFFFFFFFFFFF
        for table in (self._young, self._old):
            at, known = _place(table, number)
            if known != _EMPTY:
                if known & HIGHEST >= rank:
                    return False
                table[at] = number
                return True
        if self._count >= self._half:
            self._young, self._old, self._count = _table(1), self._young, 0
        elif 2 * (self._count + 1) > len(self._young):
            grown = _table(2 * len(self._young))
            for known in self._young:
                if known != _EMPTY:
                    grown[_place(grown, known)[0]] = known
            self._young = grown
        self._young[_place(self._young, number)[0]] = number
        self._count += 1
        return True

    def __contains__(self, number: int) -> bool:
        """Return whether a number is remembered, with whatever rank."""
        number = number << _RANK & 0xFFFFFFFFFFFFFFFF
        return _place(self._young, number)[1] != _EMPTY or _place(self._old, number)[1] != _EMPTY


def _table(size: int) -> array[int]:
    return array("Q", bytes(8 * max(size, 1024)))


def _place(table: array[int], number: int) -> tuple[int, int]:
    """Return where a number is or can be put, and what is there now.  The length of a table is a power of
    two.
    """
    mask = len(table) - 1
    number >>= _RANK
    at = number & mask
    while (known := table[at]) != _EMPTY and known >> _RANK != number:
        at = (at + 1) & mask
    return at, known
