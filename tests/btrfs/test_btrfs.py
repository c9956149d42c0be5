"""The facts about BTRFS that drift rests on, and the reading of its trees."""

from __future__ import annotations

import itertools
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.drift import Drift
from impermanenced.kernel import btrfs, mounts
from impermanenced.kernel.btrfs import Tree
from impermanenced.kernel.btrfs.items import dir_entry
from impermanenced.model import Volume

from ..conftest import Filesystem, sh
from .conftest import Volumes


@pytest.fixture
def top(volumes: Volumes) -> Iterator[int]:
    fd = mounts.open_top_level(os.fsencode(volumes.filesystem.device))
    try:
        yield fd
    finally:
        os.close(fd)


def tree(volumes: Volumes, top: int, name: str) -> Tree:
    return Tree(top, btrfsutil.subvolume_id(os.fspath(volumes.top / name)))


def made(volumes: Volumes, name: str) -> int:
    return int(btrfsutil.subvolume_info(os.fspath(volumes.top / name)).otransid)


def test_a_snapshot_keeps_inode_numbers_and_generations(volumes: Volumes, top: int) -> None:
    number = os.stat(volumes.top / "root/etc/hosts").st_ino
    assert number == os.stat(volumes.top / "root-blank/etc/hosts").st_ino
    mine, blank = (tree(volumes, top, name).inode(number) for name in ("root", "root-blank"))
    assert mine == blank
    assert mine is not None and mine.generation <= made(volumes, "root")


def test_what_did_not_change_is_skipped_whole(volumes: Volumes, top: int) -> None:
    assert tree(volumes, top, "root").changed(made(volumes, "root")) == ({}, {}, {})


def test_new_and_changed_are_told_apart(volumes: Volumes, top: int) -> None:
    since = made(volumes, "root")
    (volumes.top / "root/etc/new").symlink_to("target")
    (volumes.top / "root/etc/mode").write_text("other")
    volumes.filesystem.sync()
    changes = tree(volumes, top, "root").changed(since)
    new, old = (os.lstat(volumes.top / "root/etc" / name).st_ino for name in ("new", "mode"))
    assert changes.inodes[new].generation > since >= changes.inodes[old].generation
    assert changes.targets == {new: b"target"}
    etc = os.stat(volumes.top / "root/etc").st_ino
    assert changes.names == {etc: {b"new": (new, False)}}


def test_two_trees_keep_an_entry_of_their_past_alike(volumes: Volumes, top: int) -> None:
    """Also where a listing takes several searches; what was made anew by a name is another entry."""
    large = volumes.top / "root/etc/large"
    large.mkdir()
    for number in range(3000):
        (large / f"{number:04}{'n' * (number % 200)}").touch()
    volumes.filesystem.snapshot("root", "other")
    (large / "0000").unlink()
    (large / "0200").unlink()
    (large / "0200").touch()
    volumes.filesystem.sync()
    inode = os.stat(large).st_ino
    mine, other = (tree(volumes, top, name) for name in ("root", "other"))
    for one in (mine, other):
        assert dict(dir_entry(item, 0) for item in one.listing(inode)) == one.entries(inode)
    new, old = mine.listing(inode), other.listing(inode)
    assert {dir_entry(item, 0)[0] for item in new - old} == {b"0200"}
    assert {dir_entry(item, 0)[0] for item in old - new} == {b"0000", b"0200"}


def test_reading_alone_changes_an_inode(volumes: Volumes, top: int) -> None:
    """So fields have to be compared before a changed inode is called a change."""
    since = made(volumes, "root")
    path = volumes.top / "root/etc/hosts"
    os.utime(path, ns=(1, os.stat(path).st_mtime_ns))
    volumes.filesystem.sync()
    assert os.stat(path).st_ino in tree(volumes, top, "root").changed(since).inodes


def test_inode_numbers_are_not_used_again(volumes: Volumes) -> None:
    path = volumes.top / "root/etc/once"
    path.touch()
    number = os.stat(path).st_ino
    path.unlink()
    volumes.filesystem.sync()
    path.touch()
    assert os.stat(path).st_ino > number


def test_a_directory_is_as_large_as_twice_its_names(volumes: Volumes) -> None:
    for directory in ("root/etc", "root/var/big", "root"):
        names = os.listdir(os.fsencode(volumes.top / directory))
        assert os.stat(volumes.top / directory).st_size == 2 * sum(map(len, names))


def test_a_nested_subvolume_is_but_an_empty_directory_in_a_snapshot(volumes: Volumes, top: int) -> None:
    sh("btrfs", "subvolume", "create", volumes.top / "root/var/inner")
    volumes.filesystem.snapshot("root", "copy")
    assert os.stat(volumes.top / "copy/var/inner").st_ino == 2
    for name, real in (("root", True), ("copy", False)):
        found = tree(volumes, top, name)
        entry = found.lookup(os.stat(volumes.top / name / "var").st_ino, b"inner")
        assert entry is not None and entry.is_root
        assert (entry.objectid in found.nested()) is real


def test_lookup_finds_every_name_and_no_other(volumes: Volumes, top: int) -> None:
    found = tree(volumes, top, "root")
    directory = os.stat(volumes.top / "root/var/big").st_ino
    for name, entry in found.entries(directory).items():
        assert found.lookup(directory, name) == entry
        assert entry.objectid == os.stat(os.fsencode(volumes.top / "root/var/big") + b"/" + name).st_ino
    assert found.lookup(directory, b"file") is None


def test_a_listing_that_takes_many_searches(filesystem: Filesystem) -> None:
    root = filesystem.subvolume("root")
    names = {f"{number:05}{'n' * 200}".encode() for number in range(3000)}  # 800 kB of items
    for name in names:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
    filesystem.sync()
    fd = mounts.open_top_level(os.fsencode(filesystem.device))
    try:
        found = Tree(fd, btrfsutil.subvolume_id(os.fspath(root)))
        assert found.entries(btrfs.BTRFS_FIRST_FREE_OBJECTID).keys() == names
        assert len(found.changed(0).inodes) == 3001
    finally:
        os.close(fd)


def test_an_inode_is_opened_by_its_handle_from_any_subvolume(volumes: Volumes, top: int) -> None:
    for name in ("root", "root-blank"):
        number = os.stat(volumes.top / name / "etc/hosts").st_ino
        found = tree(volumes, top, name)
        inode = found.inode(number)
        assert inode is not None
        with open(btrfs.open_inode(top, found.root_id, number, inode.generation), "rb") as stream:
            assert stream.read() == b"127.0.0.1 localhost\n"
        with pytest.raises(OSError, match="Stale"):
            btrfs.open_inode(top, found.root_id, number, inode.generation + 1)


def test_an_unknown_tree_is_an_error_with_its_number(top: int) -> None:
    with pytest.raises(OSError, match="tree 99999"):
        Tree(top, 99999).inode(256)


def test_of_very_many_names_few_are_in_memory(volumes: Volumes, top: int) -> None:
    """Anybody may give a file tens of thousands, and the daemon looks up each file that was written."""
    many = 20_000
    directory = volumes.top / "root/etc/links"
    directory.mkdir()
    first = directory / "first"
    first.touch()
    for number in range(many):
        os.link(first, directory / f"{number:040}")
    volumes.filesystem.sync()
    inode, searches = first.stat().st_ino, tree(volumes, top, "root")
    tracemalloc.start()
    found = sum(1 for parent, name in searches.each_name(inode) if searches.inode(parent) is not None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == many + 1
    assert peak < 1 << 20, "all take three megabytes"
    every = searches.names(inode)
    assert every == list(searches.each_name(inode)) and len(set(every)) == many + 1


def test_an_inode_of_many_names_is_looked_at_as_far_as_it_goes(volumes: Volumes, top: int) -> None:
    directory = volumes.top / "root/etc/links"
    directory.mkdir()
    first = directory / "first"
    first.touch()
    for number in range(10_000):
        os.link(first, directory / f"{number:040}")
    volumes.filesystem.sync()
    mine, blank = (tree(volumes, top, name).root_id for name in ("root", "root-blank"))
    drift = Drift(top, Volume("root", b"/", b"/", b"root", mine, b"root-blank", blank), None)
    tracemalloc.start()
    paths = [difference.path for difference in itertools.islice(drift.of_inode(first.stat().st_ino), 100)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(paths)) == 100
    assert peak < 1 << 20, "all take two megabytes and their paths as much"
