"""Very many new files at once, as unpacking or a build leaves them, without a look at each.

The files of a tree that is new as a whole, or new ones in one directory, are a crowd: they are counted and
weighed, and some of them stand for all of them in what the rules say.  Where these are not of one mind, the
directories are asked one by one, and then the files.  Alerts are made of this; a report never is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..drift import Drift
from ..kernel.btrfs import Tree
from ..model import Change, Entry, Verdict, Volume
from ..watch.ledger import Origin
from ..watch.pending import Dirty
from .group import Alert, crowd_alert, plus, who

MANY = 64  # files that are a crowd
SAMPLE = 16  # of a crowd
SAMPLE_OF_DIRECTORY = 2
GROWING = 2.0  # seconds after which a crowd that got no more members is said
AT_MOST = 60.0  # seconds that growing can put that off
REMEMBERED = 10_000  # trees that are not said again, whatever more is made in them

Look = Callable[[int, list[int]], list[Entry]]  # subvolume, inodes: what became of them
Settle = Callable[[int, Iterable[int]], None]  # the same: their verdict is known

_Key = tuple[int, bytes, bytes]  # subvolume, directory, who


@dataclass(slots=True)
class _Crowd:
    alert: Alert
    began: float
    grew: float


@dataclass(slots=True)
class _Tree:
    """New files below one directory."""

    path: bytes
    new: bool  # the directory is not in the blank
    members: dict[int, set[int]] = field(default_factory=dict)  # by the directory that they lie in


class Crowds:
    """Those that are known of, until they are said."""

    def __init__(self, look: Look, settle: Settle, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._settle = settle
        self._clock = clock
        self._crowds: dict[_Key, _Crowd] = {}
        self._said: dict[_Key, None] = {}

    def sift(self, top_fd: int, volume: Volume, dirty: Dirty) -> set[int]:
        """Take the crowds out of what was written in a volume; what is to be looked at one by one remains."""
        rest: set[int] = set()
        by_origin: dict[Origin | None, dict[int, set[int]]] = {}
        for (directory, origin), inodes in dirty.items():
            by_origin.setdefault(origin, {})[directory] = inodes
        sifter = _Sifter(top_fd, volume)
        for origin, directories in by_origin.items():
            if sum(map(len, directories.values())) < MANY:
                rest.update(*directories.values())
                continue
            rest |= directories.pop(0, set())  # of these nobody told the directory
            for found in sifter.trees(directories, rest):
                rest |= self._take(sifter, origin, found)
        return rest

    def _take(self, sifter: _Sifter, origin: Origin | None, found: _Tree) -> set[int]:
        """Those of a tree that are no crowd."""
        whole = [inode for members in found.members.values() for inode in members]
        if len(whole) < MANY:
            return set(whole)
        if self._join(sifter, origin, found, whole, SAMPLE):
            return set()
        rest: set[int] = set()
        for members in found.members.values():
            few = len(members) < 2 * SAMPLE_OF_DIRECTORY
            if few or not self._join(sifter, origin, found, members, SAMPLE_OF_DIRECTORY):
                rest |= members
        return rest

    def _join(
        self, sifter: _Sifter, origin: Origin | None, found: _Tree, inodes: Iterable[int], sample: int
    ) -> bool:
        """Whether they are of one mind, and so have become a crowd or are nothing to speak of."""
        ordered = sorted(inodes)
        root_id = sifter.volume.root_id
        entries = self._look(root_id, ordered[:: -(-len(ordered) // sample)])
        verdicts = {entry.verdict for entry in entries}
        if len(verdicts) != 1 or any(entry.difference.change is not Change.CREATED for entry in entries):
            return False
        if not found.new:
            self._settle(root_id, ordered)
        key = root_id, found.path, who(origin)
        if verdicts == {Verdict.CRUD} and not (found.new and key in self._said):
            count, size = sifter.tree.sizes(ordered)
            self._add(key, crowd_alert(found.path, entries, count, size))
        return True

    def _add(self, key: _Key, alert: Alert) -> None:
        now = self._clock()
        crowd = self._crowds.get(key)
        if crowd is None:
            self._crowds[key] = _Crowd(alert, now, now)
        else:
            crowd.alert, crowd.grew = plus(crowd.alert, alert), now

    @property
    def waiting(self) -> bool:
        return bool(self._crowds)

    def settled(self) -> list[Alert]:
        """Those that got no more members for a while; they are forgotten."""
        now = self._clock()
        done = [
            key
            for key, crowd in self._crowds.items()
            if now - crowd.grew >= GROWING or now - crowd.began >= AT_MOST
        ]
        self._said.update(dict.fromkeys(done))
        while len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return [self._crowds.pop(key).alert for key in done]


class _Sifter:
    """One look at one volume."""

    def __init__(self, top_fd: int, volume: Volume) -> None:
        self.volume = volume
        self.tree = Tree(top_fd, volume.root_id)
        self._blank = Tree(top_fd, volume.blank_id) if volume.blank_id is not None else None
        self._drift = Drift(top_fd, volume, None)

    def trees(self, directories: Mapping[int, set[int]], rest: set[int]) -> Iterable[_Tree]:
        """The directories, put together by the tree that is new; what cannot be placed goes to `rest`."""
        found: dict[bytes, _Tree] = {}
        for directory, inodes in directories.items():
            place = self._drift.outermost(directory)
            if place is not None:
                found.setdefault(place[0], _Tree(*place)).members[directory] = inodes
            elif self._blank is not None and self._blank.inode(directory) is not None:
                rest |= inodes
            else:  # the directory came and went, and most of its files with it
                rest.update(inode for inode in inodes if self.tree.inode(inode) is not None)
        return found.values()
