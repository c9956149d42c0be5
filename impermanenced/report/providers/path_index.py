"""A memory of many paths: small, and sure of what it has never seen."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

_BUCKETS = 256


class PathIndex:
    """The hashes of paths, eight bytes each, where a set of the paths would take a hundred."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._sorted = False

    def add(self, paths: Iterable[bytes]) -> None:
        """Add these paths."""
        buckets = self._buckets
        for number in map(hash, paths):
            buckets[number % _BUCKETS].append(number)
        self._sorted = False

    def may_have(self, path: bytes) -> bool:
        """Return whether the path may have been added; false means that it was not."""
        if not self._sorted:
            # A bucket at a time: the list that sorting makes of numbers is large.
            self._buckets = [array("q", sorted(bucket)) for bucket in self._buckets]
            self._sorted = True
        number = hash(path)
        bucket = self._buckets[number % _BUCKETS]
        at = bisect_left(bucket, number)
        return at < len(bucket) and bucket[at] == number
