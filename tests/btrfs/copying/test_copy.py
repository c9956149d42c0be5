"""The copy of a tree is the tree, by a look that shares no code with the copier."""

from __future__ import annotations

import errno
import os
import random
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced import copying
from impermanenced.copying import Kind
from impermanenced.errors import Cancelled

from ...conftest import sh
from . import trees
from .conftest import Pair, Stop

MANY = int(os.environ.get("COPY_FILES", "300"))  # 50000: a look at a day's work, by hand
STOPS = int(os.environ.get("COPY_STOPS", "15"))


@pytest.fixture
def tree(pair: Pair) -> Path:
    trees.torture(pair.source / "tree", many=MANY)
    return pair.source / "tree"


def test_everything_is_carried_over(pair: Pair, tree: Path) -> None:
    before = trees.look(os.fsencode(tree))
    result = pair.copy()
    assert result.lost == ()
    assert pair.differences() == {}
    assert pair.verify() == ()
    assert result.files == len(before)
    assert result.size >= result.shared > 15 << 20
    assert trees.look(os.fsencode(tree)) == before  # times of access too


def test_content_is_shared_on_the_disk(pair: Pair) -> None:
    (pair.source / "tree").write_bytes(random.Random(2).randbytes(2 << 20) * 100)
    pair.filesystem.sync()
    before = os.statvfs(pair.source).f_bavail * 4096
    pair.copy()
    pair.filesystem.sync()
    assert before - os.statvfs(pair.source).f_bavail * 4096 < 20 << 20


def test_a_second_run_has_nothing_to_do(pair: Pair, tree: Path) -> None:
    pair.copy()
    files = [path for path in (pair.target / "tree").rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
    inodes = {path: path.lstat().st_ino for path in files}
    result = pair.copy()
    assert pair.differences() == {}
    assert {path: path.lstat().st_ino for path in inodes} == inodes
    assert result.kept >= len(inodes)


def test_a_run_that_was_stopped_anywhere_is_gone_on_with(pair: Pair, tree: Path) -> None:
    chance = random.Random(3)
    for _ in range(STOPS):
        with pytest.raises(Cancelled):
            pair.copy(cancelled=Stop(chance.randrange(MANY)))
    assert pair.copy().lost == ()
    assert pair.differences() == {}


def test_what_changed_since_a_run_that_was_cut_is_copied_anew(pair: Pair, tree: Path) -> None:
    pair.copy()
    (tree / "large").write_bytes(b"other")
    (tree / "small").unlink()
    (tree / "small").mkdir()
    sh("chattr", "-i", tree / "flags/locked")
    (tree / "flags/locked/inside").unlink()
    (tree / "hard/deep/two").unlink()
    (tree / "hard/deep/two").symlink_to("elsewhere")
    (tree / "owned/acl/none").unlink()
    (tree / "owned/acl/none").write_text("n")
    pair.copy()
    assert pair.differences() == {}


def test_nothing_comes_from_the_directory_that_the_copy_is_made_in(pair: Pair) -> None:
    """A default ACL, set-group-ID, no copy-on-write and compression pass on to what is made there."""
    (pair.source / "tree/below").mkdir(parents=True)
    (pair.source / "tree/below/file").write_bytes(b"f" * 9000)
    (pair.source / "file").write_text("alone")
    for name, prepare in {
        "acl": ["setfacl", "-d", "-m", "u:33:rwx"],
        "nocow": ["chattr", "+C"],
        "group": ["chmod", "2775"],
    }.items():
        where = pair.target / name
        where.mkdir()
        os.chown(where, 0, 100)
        sh(*prepare, where)
        fd = os.open(where, os.O_RDONLY)
        for copied in (b"tree", b"file"):
            assert copying.copy(pair.fds[0], copied, fd, copied).lost == ()
            ours = trees.look(os.fsencode(pair.source) + b"/" + copied)
            assert trees.difference(ours, trees.look(os.fsencode(where) + b"/" + copied)) == {}, name
        os.close(fd)


def test_to_another_filesystem(pair: Pair, tree: Path, other_filesystem: Callable[[], Path]) -> None:
    """Nothing is shared there, and holes stay holes."""
    top = other_filesystem()
    fd = os.open(top, os.O_RDONLY)
    result = copying.copy(pair.fds[0], b"tree", fd, b"tree")
    assert (result.shared, result.lost) == (0, ())
    assert trees.difference(trees.look(os.fsencode(tree)), trees.look(os.fsencode(top / "tree"))) == {}
    assert copying.verify(pair.fds[0], b"tree", fd, b"tree") == ()
    os.close(fd)


def test_what_a_filesystem_cannot_hold_is_said(pair: Pair, tmp_path: Path) -> None:
    (pair.source / "tree").mkdir()
    (pair.source / "tree/file").write_text("f")
    trees.set_flags(pair.source / "tree/file", 0x10)
    where = tmp_path / "memory"
    where.mkdir()
    sh("mount", "-t", "ramfs", "none", where)
    try:
        fd = os.open(where, os.O_RDONLY)
        lost = copying.copy(pair.fds[0], b"tree", fd, b"tree").lost
        os.close(fd)
    finally:
        sh("umount", where)
        trees.unlock(pair.source / "tree")
    assert [(one.path, one.kind) for one in lost] == [(b"file", Kind.FLAGS)]


@pytest.mark.parametrize("depth", [400, 1500])
def test_a_tree_deeper_than_a_path_can_be(pair: Pair, depth: int) -> None:
    def chain(top: Path) -> int:
        """How many levels there are, each with the file that it should have."""
        at, levels = os.open(top, os.O_RDONLY), 0
        while True:
            mode = os.stat("file", dir_fd=at).st_mode
            assert mode & 0o777 == 0o640
            try:
                below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
            except FileNotFoundError:
                os.close(at)
                return levels
            os.close(at)
            at, levels = below, levels + 1

    (pair.source / "tree").mkdir()
    at = os.open(pair.source / "tree", os.O_RDONLY)
    for level in range(depth + 1):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=at))
        if level < depth:
            os.mkdir("d" * 100, dir_fd=at)
            below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
    os.close(at)
    assert pair.copy().files == 2 * (depth + 1)
    assert chain(pair.target / "tree") == depth
    assert pair.verify() == ()
    assert copying.measure(pair.fds[0], b"tree").files == 2 * (depth + 1)
    pair.remove()
    assert not (pair.target / "tree").exists()


def test_memory_does_not_grow_with_a_directory(pair: Pair) -> None:
    (pair.source / "tree").mkdir()
    for number in range(5000):
        (pair.source / "tree" / f"{number:0200}").touch()
    tracemalloc.start()
    pair.copy()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_what_is_mounted_in_the_tree_is_left_out_and_said(pair: Pair, tmp_path: Path) -> None:
    tree = pair.source / "tree"
    (tree / "mounted").mkdir(parents=True)
    (tree / "bound").mkdir()
    (tree / "file").write_text("under a mount")
    (tree / "stays").write_text("s")
    (tmp_path / "secret").write_text("of elsewhere")
    pair.filesystem.mounts += [tree / "mounted", tree / "bound", tree / "file"]
    sh("mount", "-t", "tmpfs", "none", tree / "mounted")
    (tree / "mounted/inside").write_text("in memory")
    sh("mount", "--bind", pair.target, tree / "bound")  # of the same filesystem
    sh("mount", "--bind", tmp_path / "secret", tree / "file")
    lost = {(one.path, one.kind) for one in pair.copy().lost}
    assert lost == {(name, Kind.MOUNT) for name in (b"mounted", b"bound", b"file")}
    assert [path.name for path in (pair.target / "tree").iterdir()] == ["stays"]


def test_a_nested_subvolume_becomes_a_snapshot_with_those_in_it(pair: Pair) -> None:
    (pair.source / "tree").mkdir()
    pair.filesystem.subvolume("source/tree/machine")
    (pair.source / "tree/machine/deep/er").mkdir(parents=True)
    (pair.source / "tree/machine/file").write_text("f")
    pair.filesystem.subvolume("source/tree/machine/deep/er/inner")
    (pair.source / "tree/machine/deep/er/inner/content").write_text("c")
    pair.filesystem.subvolume("source/tree/machine/deep/er/inner/innermost")
    sh("btrfs", "property", "set", pair.source / "tree/machine/deep/er/inner", "ro", "true")
    for _ in range(2):  # a second run begins it anew
        assert pair.copy().lost == ()
        inner = pair.target / "tree/machine/deep/er/inner"
        assert (inner / "content").read_text() == "c"
        assert (inner / "innermost").stat().st_ino == inner.stat().st_ino == 256
        assert sh("btrfs", "property", "get", inner, "ro").strip() == "ro=true"
        assert pair.differences() == {}
        assert pair.verify() == ()
    pair.remove()
    assert not (pair.target / "tree").exists()


def test_a_nested_subvolume_becomes_a_directory_elsewhere(
    pair: Pair, other_filesystem: Callable[[], Path]
) -> None:
    (pair.source / "tree").mkdir()
    pair.filesystem.subvolume("source/tree/machine")
    (pair.source / "tree/machine/file").write_text("f")
    top = other_filesystem()
    fd = os.open(top, os.O_RDONLY)
    result = copying.copy(pair.fds[0], b"tree", fd, b"tree")
    os.close(fd)
    assert [(one.path, one.kind) for one in result.lost] == [(b"machine", Kind.SUBVOLUME)]
    assert (top / "tree/machine/file").read_text() == "f"


def test_a_full_filesystem_is_an_error_that_names_the_file(
    pair: Pair, other_filesystem: Callable[[], Path]
) -> None:
    (pair.source / "tree").mkdir()
    (pair.source / "tree/too-large").write_bytes(random.Random(4).randbytes(1 << 20) * 300)
    fd = os.open(other_filesystem(), os.O_RDONLY)
    with pytest.raises(OSError) as caught:
        copying.copy(pair.fds[0], b"tree", fd, b"tree")
    os.close(fd)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, b"tree/too-large")


def test_progress_is_told_and_ends_with_everything(pair: Pair, tree: Path) -> None:
    told: list[copying.Progress] = []
    result = pair.copy(progress=told.append)
    assert (told[-1].files, told[-1].size) == (result.files, result.size)
    size = copying.measure(pair.fds[0], b"tree")
    assert (size.files, size.size) == (result.files, result.size)


@pytest.mark.parametrize("name", ["small", "link", "fifo", "null", "socket", "hard/one"])
def test_one_file_alone(pair: Pair, tree: Path, name: str) -> None:
    pair.copy(f"tree/{name}" if "/" not in name else "tree/three", "alone")
    source = f"tree/{name}" if "/" not in name else "tree/three"
    ((_, ours),) = trees.look(os.fsencode(pair.source / source)).items()
    ((_, theirs),) = trees.look(os.fsencode(pair.target / "alone")).items()
    assert ours == theirs
