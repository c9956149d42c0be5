"""The comparison of any two trees of one volume, with all that is nested in both.

Two roots that descend from one blank share every tree block that neither has changed, so the search begins at
the moment when they went apart, as it does for a volume and its blank.  Where no such moment is known both
trees are read as a whole and walked side by side.

A nested subvolume that stands at one path on both sides is compared as one; any other is new, or gone, with
all that is in it.  A snapshot has an empty stub in the place of a nested subvolume: nothing is in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..kernel import btrfs
from ..kernel.btrfs import DirEntry, Tree
from ..lazy import NamedTuple
from ..model import Change, Difference, FileType, Volume
from ..volumes.lineage import baseline
from ..volumes.machine import Machine
from . import moves
from .compare import Drift
from .moves import Move

GONE = "-......"


class Pair(NamedTuple):
    """Two trees at one path; None stands for an empty one."""

    path: bytes
    now: int
    was: int | None
    place: DirEntry | None = None  # the directory of `was` that is compared; None: its topmost one


class Comparison(NamedTuple):
    """What differs between two trees, sorted by path."""

    differences: tuple[Difference, ...]
    moves: tuple[Move, ...]
    complete: bool  # False if something could not be read, or lies too deep


class Between:
    """The comparison of a tree `now` with a tree `was`, by their ids; `volume` says whose trees they are.

    Raises OSError if one cannot be read.
    """

    def __init__(self, machine: Machine, volume: Volume, now: int, was: int | None) -> None:
        self._machine = machine
        self._volume = volume
        self._waiting = [Pair(volume.path, now, was)]
        self._complete = True
        self._subvolumes = machine.subvolumes() if was is not None else {}
        self._by_id = {one.id: one for one in self._subvolumes.values()}
        self._drift: Drift | None = None
        self._met = 0

    @property
    def progress(self) -> tuple[int, int]:
        """Return how many names were looked at so far, and how many are known of by now."""
        drift = self._drift
        if drift is None:
            return self._met, self._met
        return self._met + drift.met, self._met + max(drift.known, drift.met)

    def run(self) -> Comparison:
        """Compare everything, and return what differs."""
        differences: list[Difference] = []
        moved: list[Move] = []
        while self._waiting:
            pair = self._waiting.pop()
            if pair.now == pair.was:
                continue  # itself
            drift = self._drift = self._drift_of(pair)
            found = list(self._compare(pair, drift))
            if pair.was is not None and pair.place is None:
                mine, found = moves.recognise(found, drift)
                moved += mine
            differences += found
            self._complete = self._complete and drift.complete and not drift.cut
            self._met += drift.met
            self._drift = None
        differences.sort(key=lambda one: one.path)
        return Comparison(tuple(differences), tuple(sorted(moved)), self._complete)

    def _tree(self, path: bytes, now: int, was: int | None) -> Volume:
        return self._volume._replace(path=path, root_id=now, blank=None, blank_id=was)

    def _drift_of(self, pair: Pair) -> Drift:
        base = None
        mine, other = self._by_id.get(pair.now), self._by_id.get(pair.was or 0)
        if mine is not None and other is not None and pair.place is None:
            base = baseline(mine, other, self._subvolumes)
        volume = self._tree(pair.path, pair.now, pair.was)
        nested = pair.path != self._volume.path
        return Drift(self._machine.top, volume, base, nested=nested, into=True)

    def _compare(self, pair: Pair, drift: Drift) -> Iterator[Difference]:
        """Yield the differences of one pair of trees, and leave what is nested in them waiting."""
        there: set[int] = set()  # the subvolumes nested in `was` that were met
        replaced: set[bytes] = set()  # paths that may have been theirs, and are something else now
        if pair.place is not None:
            found = drift.everything(pair.place, btrfs.MAX_U64, btrfs.MAX_U64)
        else:
            found = drift.differences()
        for difference in found:
            number = difference.subvolume
            if difference.type is not FileType.SUBVOLUME or number is None:
                if drift.was_nested and difference.change is Change.REPLACED:
                    replaced.add(difference.path)
                yield self._as_root(pair, difference)
            elif difference.change is Change.DELETED:
                there.add(number)
                yield difference
                yield from self._gone(difference.path, number)
            else:
                was = drift.boxes.pop(number)
                if was is not None and was.is_root and was.objectid in drift.was_nested:
                    there.add(was.objectid)
                    self._waiting.append(Pair(difference.path, number, was.objectid))
                    continue
                yield difference
                place = None if was is None or was.is_root else was
                self._waiting.append(Pair(difference.path, number, pair.was if place else None, place))
        if pair.place is None:
            yield from self._stubs(pair, drift, there, replaced)

    def _as_root(self, pair: Pair, difference: Difference) -> Difference:
        """Return the difference of a nested subvolume's topmost directory as one of the subvolume."""
        if difference.path == pair.path and pair.path != self._volume.path:
            return difference._replace(type=FileType.SUBVOLUME, subvolume=pair.now)
        return difference

    def _stubs(self, pair: Pair, drift: Drift, there: set[int], replaced: set[bytes]) -> Iterator[Difference]:
        """Yield what was nested, and has no more than a stub in its place now: no change of a name shows.

        Of what has something else in its place, only what was in it is left to yield.
        """
        if pair.was is None:
            return
        tree = Tree(self._machine.top, pair.was)
        for number, (directory, name) in drift.was_nested.items():
            if number not in there:
                path = pair.path.rstrip(b"/") + tree.path(directory) + b"/" + name
                if path not in replaced:
                    yield drift.subvolume(path, number, Change.DELETED)
                yield from self._gone(path, number)

    def _gone(self, path: bytes, number: int) -> Iterator[Difference]:
        """Yield what is in a nested subvolume that is gone, and in those that are nested in it."""
        waiting = [(path, number)]
        while waiting:
            path, number = waiting.pop()
            drift = Drift(self._machine.top, self._tree(path, number, None), None, nested=True, into=True)
            for difference in drift.differences():
                yield difference._replace(change=Change.DELETED, letters=GONE)
                if difference.type is FileType.SUBVOLUME and difference.subvolume is not None:
                    waiting.append((difference.path, difference.subvolume))
