"""Who holds something open in a tree, and mounts by descriptor."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.kernel import attach, holders
from impermanenced.kernel.holders import Use

from ..conftest import Filesystem, sh

USES = {
    Use.WRITES: "held = open('file', 'r+')",
    Use.LISTS: "held = os.open('.', os.O_RDONLY); os.chdir('/')",
    Use.WORKS: "pass",
    Use.ROOT: "os.chroot('.')",
    Use.MAPS: "held = open('file', 'r+b'); mapped = mmap.mmap(held.fileno(), 0); held.close()",
    Use.LISTENS: "held = socket.socket(socket.AF_UNIX); held.bind(os.getcwd() + '/socket'); held.listen()",
}


def process(where: Path, script: str, *wrap: str) -> Iterator[int]:
    """A process that has run this below `where`, and waits."""
    whole = f"import mmap, os, socket, sys\n{script}\nprint(flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [*wrap, sys.executable, "-c", whole], cwd=where, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin and running.stdout
        running.stdout.readline()
        yield running.pid
        running.stdin.close()


def nowhere(facts: os.stat_result) -> bool:
    return False


@pytest.fixture
def tree(filesystem: Filesystem) -> Path:
    tree = filesystem.subvolume("root") / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(bytes(4096))
    return tree


@pytest.mark.parametrize("use", USES)
def test_a_use_is_found(tree: Path, use: Use) -> None:
    for pid in process(tree, USES[use]):
        found = {one.use for one in holders.holders(os.fsencode(tree), nowhere) if one.pid == pid}
        assert use in found
    assert not list(holders.holders(os.fsencode(tree), nowhere))


def test_who_only_reads_or_is_beside_it_is_none(tree: Path) -> None:
    beside = tree.with_name("tree-2")
    beside.mkdir()
    (beside / "file").write_text("f")
    read, written = os.fspath(tree / "file"), os.fspath(beside / "file")
    script = f"os.chdir('/'); one = open({read!r}); other = open({written!r}, 'a')"
    for _ in process(tree, script):
        assert not list(holders.holders(os.fsencode(tree), nowhere))


def test_who_sees_the_tree_by_another_path_is_found_by_the_inode(tree: Path) -> None:
    """As a container does."""
    inode = (tree / "file").stat()
    other = tree.with_name("other")
    other.mkdir()
    script = f"""
import ctypes
assert ctypes.CDLL(None).unshare(0x20000) == 0
assert os.system("mount --make-rprivate / && mount --bind {tree} {other}") == 0
os.chdir('/')
held = open("{other}/file", "a")
"""
    for pid in process(tree, script):
        found = list(holders.holders(os.fsencode(tree), lambda facts: os.path.samestat(facts, inode)))
        assert [(one.pid, one.use) for one in found] == [(pid, Use.WRITES)]


def test_a_mount_covers_and_uncovers(tree: Path, filesystem: Filesystem) -> None:
    other = filesystem.subvolume("persist") / "tree"
    other.mkdir()
    (other / "file").write_text("of persist")
    source, place = (os.open(path, os.O_PATH) for path in (other, tree))
    mount = attach.clone(source)
    attach.attach(mount, place)
    filesystem.mounts.append(tree)
    for fd in (source, place, mount):
        os.close(fd)
    assert (tree / "file").read_text() == "of persist"
    above = os.open(tree.parent, os.O_RDONLY)
    beneath = attach.clone(above)  # what is covered can be seen, and changed
    with open(os.open("tree/file", os.O_RDWR, dir_fd=beneath), "wb") as stream:
        stream.write(b"beneath")
    with pytest.raises(OSError) as caught:
        os.rename("tree", "renamed", src_dir_fd=beneath, dst_dir_fd=beneath)
    assert caught.value.errno == errno.EBUSY
    with open(tree / "file"), pytest.raises(OSError) as caught:
        attach.detach(above, b"tree")
    assert caught.value.errno == errno.EBUSY
    attach.detach(above, b"tree")
    filesystem.mounts.remove(tree)
    for fd in (above, beneath):
        os.close(fd)
    assert (tree / "file").read_bytes()[:7] == b"beneath"
    assert sh("findmnt", "--noheadings", "--output", "TARGET", "--target", tree).strip() != os.fspath(tree)
