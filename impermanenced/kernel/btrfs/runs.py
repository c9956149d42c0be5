"""Numbers that lie close to each other, to be searched for together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_RUN = 4096  # inodes that one search is for, at most


def runs(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield numbers that are in their order in runs of at most _RUN, in which at most two are missing in a
    row.
    """
    start = 0
    for at in range(1, len(numbers)):
        if numbers[at] > numbers[at - 1] + 3 or at - start == _RUN:
            yield numbers[start:at]
            start = at
    if numbers:
        yield numbers[start:]
