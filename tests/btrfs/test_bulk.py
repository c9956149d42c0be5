"""Very many new files: counted and weighed in one alert, and none of what is not one of them hidden by it."""

from __future__ import annotations

import os
import shutil
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from impermanenced.alerts.bulk import AT_MOST, GROWING, MANY, SAMPLE, BulkWrites
from impermanenced.drift import Drift
from impermanenced.kernel import mounts
from impermanenced.kernel.btrfs import Tree
from impermanenced.losses import LossClass
from impermanenced.model import Entry, Verdict, Volume
from impermanenced.watch.ledger import Origin
from impermanenced.watch.pending import Dirty

from ..conftest import Filesystem
from .conftest import Volumes

TAR = Origin("", b"/usr/bin/tar", b"tar", 10, 0)
PIP = Origin("", b"/usr/bin/pip", b"pip", 11, 0)


class Crowded(Volumes):
    """What is named `*.swp` is ignored, the rest is crud."""

    def __init__(self, filesystem: Filesystem) -> None:
        super().__init__(filesystem)
        (filesystem.subvolume("seed") / "etc").mkdir()
        filesystem.snapshot("seed", "root-blank", readonly=True)
        self.root = filesystem.snapshot("root-blank", "root")
        ids = self.subvolume("root").id, b"root-blank", self.subvolume("root-blank").id
        self.volume = Volume("root", b"/", b"/", b"root", *ids)
        self.fd = mounts.open_top_level(os.fsencode(filesystem.device))
        self.looks = 0
        self.settled: set[int] = set()
        self.now = 0.0
        self.crowds = BulkWrites(self.look, lambda _, inodes: self.settled.update(inodes), lambda: self.now)

    def look(self, root_id: int, inodes: Iterable[int]) -> list[Entry]:
        assert root_id == self.volume.root_id
        entries = []
        drift = Drift(self.fd, self.volume, None)
        for inode in inodes:
            self.looks += 1
            for difference in drift.of_inode(inode):
                verdict = Verdict.IGNORED if difference.path.endswith(b".swp") else Verdict.CRUD
                loss = LossClass.SECRET if difference.path.endswith(b".key") else None
                entries.append(Entry("root", difference, verdict, "", loss, None))
        return entries

    def fill(self, directory: str, count: int, size: int = 10, suffix: str = "") -> Path:
        where = self.root / directory
        where.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (where / f"{number}{suffix}").write_bytes(b"x" * size)
        return where

    def sift(self, *trees: Path, origin: Origin = TAR) -> set[int]:
        """As if all that lies in these directories had just been written."""
        self.filesystem.sync()
        dirty: Dirty = {}
        for tree in trees:
            for directory, names, files in os.walk(tree):
                inodes = {os.lstat(os.path.join(directory, name)).st_ino for name in (*names, *files)}
                if inodes:
                    dirty[os.stat(directory).st_ino, origin] = array("Q", sorted(inodes))
        return self.crowds.sift(self.fd, self.volume, dirty)

    def said(self, after: float = GROWING) -> list[tuple[bytes, int, int]]:
        self.now += after
        return [(alert.path, alert.count, alert.size) for alert in self.crowds.settled()]


@pytest.fixture
def crowded(filesystem: Filesystem) -> Iterator[Crowded]:
    found = Crowded(filesystem)
    yield found
    os.close(found.fd)


def test_a_new_tree_is_one_crowd_and_few_of_it_are_looked_at(crowded: Crowded) -> None:
    for number in range(20):
        crowded.fill(f"opt/thing/{number}", 30)
    assert crowded.sift(crowded.root / "opt") == set()
    assert crowded.looks <= SAMPLE
    assert crowded.said() == [(b"/opt", 20 * 30 + 21, 20 * 30 * 10)]
    assert crowded.said() == [], "once"
    assert not crowded.settled, "a tree that is known needs no memory of its files"


def test_a_crowd_is_said_when_it_has_stopped_growing(crowded: Crowded) -> None:
    crowded.sift(crowded.fill("opt/one", MANY))
    assert crowded.said(GROWING / 2) == []
    crowded.sift(crowded.fill("opt/two", MANY))
    assert crowded.said(GROWING / 2) == []
    assert crowded.said() == [(b"/opt", 2 * MANY, 20 * MANY)]


def test_one_that_never_stops_is_said_too_and_then_no_more(crowded: Crowded) -> None:
    said = []
    for number in range(int(AT_MOST) + 3):
        crowded.sift(crowded.fill(f"opt/{number}", MANY))
        said += crowded.said(1.0)
    assert [path for path, _, _ in said] == [b"/opt"]


def test_what_is_worse_in_a_tree_that_was_said_is_said(crowded: Crowded) -> None:
    """Private keys in a tree that was announced already were never announced."""
    crowded.sift(crowded.fill("opt/thing", MANY))
    assert crowded.said() == [(b"/opt", MANY, 10 * MANY)]
    crowded.sift(crowded.fill("opt/more", MANY))
    assert crowded.said() == []
    keys = crowded.fill("opt/keys", 375, suffix=".key")
    crowded.sift(keys)
    crowded.now += GROWING
    (alert,) = crowded.crowds.settled()
    assert (alert.path, alert.count, alert.loss) == (b"/opt", 375, LossClass.SECRET)
    crowded.sift(crowded.fill("opt/others", MANY, suffix=".key"))
    assert crowded.said() == [], "that it is so bad is known now"


def test_new_files_in_an_old_directory_are_a_crowd_there(crowded: Crowded) -> None:
    etc = crowded.fill("etc", MANY)
    assert crowded.sift(etc) == set()
    assert crowded.said() == [(b"/etc", MANY, MANY * 10)]
    assert len(crowded.settled) == MANY, "more writing to these is no news"
    for path in etc.iterdir():
        path.rename(path.with_name(f"{path.name}-moved"))
    crowded.fill("etc", MANY)
    crowded.sift(etc)
    assert crowded.said() == [(b"/etc", 2 * MANY, 20 * MANY)], "these were not said"


def test_few_are_looked_at_one_by_one(crowded: Crowded) -> None:
    few = crowded.fill("opt", MANY - 1)
    assert crowded.sift(few) == {path.stat().st_ino for path in few.iterdir()}
    assert crowded.said() == []


def test_writers_are_kept_apart(crowded: Crowded) -> None:
    crowded.sift(crowded.fill("opt/tar", MANY))
    crowded.sift(crowded.fill("opt/pip", MANY), origin=PIP)
    assert crowded.said() == [(b"/opt", MANY, MANY * 10)] * 2


def test_where_the_sample_is_not_of_one_mind_directories_and_then_files_are_asked(crowded: Crowded) -> None:
    """What is ignored must not be counted, and what is not must not be hidden among it."""
    crowded.fill("opt/edited", MANY, suffix=".swp")
    crowded.fill("opt/kept", MANY)
    mixed = crowded.fill("opt/mixed", MANY // 2, suffix=".swp")
    crowded.fill("opt/mixed", MANY // 2)
    rest = crowded.sift(crowded.root / "opt")
    ours = {path.stat().st_ino for path in mixed.iterdir() if path.suffix != ".swp"}
    assert ours <= rest
    assert not {path.stat().st_ino for path in (crowded.root / "opt/edited").iterdir()} & rest
    assert crowded.said() == [(b"/opt", MANY, MANY * 10)]


def test_what_went_with_its_directory_is_nothing(crowded: Crowded) -> None:
    there = crowded.fill("opt/gone", MANY)
    directory, inodes = there.stat().st_ino, sorted(path.stat().st_ino for path in there.iterdir())
    moved = there / "0"
    kept = moved.stat().st_ino
    moved.rename(crowded.root / "etc/0")
    shutil.rmtree(crowded.root / "opt")
    crowded.filesystem.sync()
    rest = crowded.crowds.sift(crowded.fd, crowded.volume, {(directory, TAR): array("Q", inodes)})
    assert rest == {kept}, "it had moved out of there in time"
    assert crowded.said() == []


def test_what_the_blank_had_is_looked_at_when_it_is_deleted(crowded: Crowded) -> None:
    etc = (crowded.root / "etc").stat().st_ino
    inodes = array("Q", range(1000, 1000 + MANY))  # numbers are all that is left of deleted files
    shutil.rmtree(crowded.root / "etc")
    crowded.filesystem.sync()
    assert crowded.crowds.sift(crowded.fd, crowded.volume, {(etc, TAR): inodes}) == set(inodes)


def test_sizes_are_what_files_take(crowded: Crowded) -> None:
    inodes, size = [], 0
    for number in range(200):
        path = crowded.root / f"file{number}"
        path.write_bytes(b"x" * (number * 37 % 9000))
        if number % 7 == 0:
            os.truncate(path, 100_000_000)
        inodes.append(path.stat().st_ino)
    directory = crowded.root / "directory"
    directory.mkdir()
    crowded.filesystem.sync()
    for number in range(200):
        status = (crowded.root / f"file{number}").stat()
        sparse = status.st_size > status.st_blocks * 512
        size += (status.st_blocks * 512 if sparse else status.st_size) if number % 3 else 0
    asked = [inode for number, inode in enumerate(inodes) if number % 3] + [directory.stat().st_ino]
    tree = Tree(crowded.fd, crowded.volume.root_id)
    assert tree.sizes([*sorted(asked), 10**9]) == (len(asked), size)
