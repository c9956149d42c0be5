"""Numbers that lie close to each other, to be searched for together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last number of each run; in a run at most two numbers are missing in a row."""
    first = last = -1
    for number in numbers:
        if number > last + 3:
            if first >= 0:
                yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last
