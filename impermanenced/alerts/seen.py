"""A set of very many numbers that takes little memory and forgets the oldest."""

from __future__ import annotations

from array import array

_EMPTY = 0


class SeenPaths:
    """A memory of 64-bit numbers: the latest `most` or at least half of that, at up to 16 bytes each.

    A set takes four times as much.  There are two tables: when the young one is full it becomes the old one,
    and the numbers of the old one are forgotten.  A number is stored at its place in a table, or at the next
    free one.
    """

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._young, self._old = _table(1), _table(1)
        self._count = 0

    def add(self, number: int) -> bool:
        """Add a number, and return whether it is new."""
        number = number & 0xFFFFFFFFFFFFFFFF or 1
        if _place(self._young, number) < 0 or _place(self._old, number) < 0:
            return False
        if self._count >= self._half:
            self._young, self._old, self._count = _table(1), self._young, 0
        elif 2 * (self._count + 1) > len(self._young):
            grown = _table(2 * len(self._young))
            for known in self._young:
                if known != _EMPTY:
                    grown[_place(grown, known)] = known
            self._young = grown
        self._young[_place(self._young, number)] = number
        self._count += 1
        return True


def _table(size: int) -> array[int]:
    return array("Q", bytes(8 * max(size, 1024)))


def _place(table: array[int], number: int) -> int:
    """Return where a number can be put, or -1 if it is there.  The length of a table is a power of two."""
    mask = len(table) - 1
    at = number & mask
    while (known := table[at]) != _EMPTY:
        if known == number:
            return -1
        at = (at + 1) & mask
    return at
