"""Very many new files at once, as unpacking or a build makes them, announced without a look at each.

The new files of a tree that is new as a whole, or of one directory, are bulk: they are counted and
weighed, and the verdict on a sample stands for all.  If the sample is not of one mind, each directory is
sampled, and then each file is looked at.  Alerts are made of this; a report never is.
"""

from __future__ import annotations

import itertools
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..drift import Drift
from ..kernel.btrfs import Tree
from ..losses import LossClass, weight
from ..model import LOSSES, Change, Entry, Volume
from ..watch.ledger import Origin
from ..watch.owners import owner_of
from ..watch.pending import Dirty
from .group import Alert, account_of, bulk_alert, loss_of, plus, who

MANY = 64  # files from which on they are bulk
SAMPLE = 16  # files of bulk that are judged
SAMPLE_OF_DIRECTORY = 2  # files of each directory that are judged if the sample is not of one mind
GROWING = 2.0  # seconds without new members after which bulk is announced
AT_MOST = 60.0  # seconds that growing can put that off
REMEMBERED = 10_000  # trees that are not announced again, unless something worse is made in them

Look = Callable[[int, list[int]], list[Entry]]  # (subvolume, inodes) -> what became of them
Settle = Callable[[int, Iterable[int]], None]  # (subvolume, inodes): their verdict is known

_Key = tuple[int, bytes, bytes, int]  # subvolume, directory, who, account
Members = dict[int, "array[int]"]  # files, in the order of their inodes, by the directory that they lie in


@dataclass(slots=True)
class _Bulk:
    alert: Alert
    began: float
    grew: float


@dataclass(slots=True)
class _Tree:
    """The new files below one directory."""

    path: bytes
    new: bool  # whether the directory is not in the blank
    members: Members = field(default_factory=dict)


class BulkWrites:
    """The bulk writes that were seen, until they are announced."""

    def __init__(self, look: Look, settle: Settle, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._settle = settle
        self._clock = clock
        self._bulk: dict[_Key, _Bulk] = {}
        self._said: dict[_Key, LossClass] = {}  # the worst that was announced of a tree

    def sift(self, top_fd: int, volume: Volume, dirty: Dirty) -> set[int]:
        """Take the bulk out of what was written in a volume, and return the inodes to look at
        one by one.
        """
        rest: set[int] = set()
        by_origin: dict[Origin | None, Members] = {}
        for (directory, origin), inodes in dirty.items():
            by_origin.setdefault(origin, {})[directory] = inodes
        sifter = _Sifter(top_fd, volume)
        for origin, directories in by_origin.items():
            if sum(map(len, directories.values())) < MANY:
                rest.update(*directories.values())
                continue
            rest.update(directories.pop(0, ()))  # their directory is not known
            for found in sifter.trees(directories, rest):
                rest |= self._take(sifter, origin, found)
        return rest

    def _take(self, sifter: _Sifter, origin: Origin | None, found: _Tree) -> set[int]:
        """Take the bulk out of a tree, and return the other inodes."""
        if sum(map(len, found.members.values())) < MANY:
            return set(itertools.chain.from_iterable(found.members.values()))
        whole = array("Q", sorted(itertools.chain.from_iterable(found.members.values())))
        if self._join(sifter, origin, found, whole, SAMPLE):
            return set()
        rest: set[int] = set()
        for members in found.members.values():
            few = len(members) < 2 * SAMPLE_OF_DIRECTORY
            if few or not self._join(sifter, origin, found, members, SAMPLE_OF_DIRECTORY):
                rest.update(members)
        return rest

    def _join(
        self, sifter: _Sifter, origin: Origin | None, found: _Tree, inodes: array[int], sample: int
    ) -> bool:
        """Return whether a sample of these is of one mind, so that they are bulk or
        need no alert.
        """
        root_id = sifter.volume.root_id
        entries = self._look(root_id, inodes[:: -(-len(inodes) // sample)].tolist())
        verdicts = {entry.verdict for entry in entries}
        if len(verdicts) != 1 or any(entry.difference.change is not Change.CREATED for entry in entries):
            return False
        if not found.new:
            self._settle(root_id, inodes)
        account = account_of(entries[0]) if origin is None else owner_of(origin.uid)
        key = root_id, found.path, who(origin), account
        said = self._said.get(key) if found.new else None
        worst = max(map(loss_of, entries), key=weight)
        if verdicts <= LOSSES and (said is None or weight(worst) > weight(said)):
            count, size = sifter.tree.sizes(inodes)
            self._add(key, bulk_alert(found.path, entries, count, size, account))
        return True

    def _add(self, key: _Key, alert: Alert) -> None:
        now = self._clock()
        bulk = self._bulk.get(key)
        if bulk is None:
            self._bulk[key] = _Bulk(alert, now, now)
        else:
            bulk.alert, bulk.grew = plus(bulk.alert, alert), now

    @property
    def waiting(self) -> bool:
        """Return whether any bulk is still to be announced."""
        return bool(self._bulk)

    def settled(self) -> list[Alert]:
        """Return the alerts on bulk that got no new members for a while, and forget it."""
        now = self._clock()
        done = [
            key
            for key, bulk in self._bulk.items()
            if now - bulk.grew >= GROWING or now - bulk.began >= AT_MOST
        ]
        for key in done:
            losses = self._bulk[key].alert.loss, self._said.pop(key, LossClass.CACHE)
            self._said[key] = max(losses, key=weight)
        while len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return [self._bulk.pop(key).alert for key in done]


class _Sifter:
    """The trees of one volume, as they are now."""

    def __init__(self, top_fd: int, volume: Volume) -> None:
        self.volume = volume
        self.tree = Tree(top_fd, volume.root_id)
        self._blank = Tree(top_fd, volume.blank_id) if volume.blank_id is not None else None
        self._drift = Drift(top_fd, volume, None)

    def trees(self, directories: Members, rest: set[int]) -> Iterable[_Tree]:
        """Return the new files by the outermost new directory; those without a place are added to `rest`."""
        found: dict[bytes, _Tree] = {}
        for directory, inodes in directories.items():
            place = self._drift.outermost(directory)
            if place is not None:
                found.setdefault(place[0], _Tree(*place)).members[directory] = inodes
            elif self._blank is not None and self._blank.inode(directory) is not None:
                rest.update(inodes)
            else:  # the directory came and went, and most of its files with it
                rest.update(inode for inode in inodes if self.tree.inode(inode) is not None)
        return found.values()
