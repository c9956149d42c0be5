"""Drift against the oracles, on a real filesystem."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import socket
import struct
import sys
import weakref
from pathlib import Path

import pytest

from impermanenced.kernel.btrfs import Tree, weight
from impermanenced.model import Change, Difference, FileType

from ..conftest import Filesystem, as_unit, sh
from .conftest import Volumes


def changes(differences: list[Difference]) -> dict[str, tuple[str, str]]:
    return {os.fsdecode(one.path): (one.type.value, one.change.value) for one in differences}


def test_nothing_changed(volumes: Volumes) -> None:
    assert volumes.check() == []


def test_a_comparison_goes_when_it_is_let_go(volumes: Volumes) -> None:
    """In a cycle each report's would stay until the garbage is collected, and the daemon grow by it."""
    (volumes.top / "root/new").write_text("x")
    gc.disable()
    try:
        drift = volumes.drift()
        assert len(list(drift.differences())) == 1
        left = weakref.ref(drift)
        del drift
        assert left() is None
    finally:
        gc.enable()
        os.close(volumes.fd)


def test_created_things_of_every_type(volumes: Volumes) -> None:
    root = volumes.top / "root"
    (root / "new/empty-dir").mkdir(parents=True)
    (root / "new/empty").touch()
    (root / "new/file").write_text("content")
    (root / "new/link").symlink_to("/persist/there")
    os.mkfifo(root / "new/pipe")
    os.mknod(root / "new/char", 0o600 | 0o020000, os.makedev(1, 5))
    os.mknod(root / "new/block", 0o600 | 0o060000, os.makedev(7, 9))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(root / "new/socket"))
        found = changes(volumes.check())
    assert found["/new"] == ("directory", "created")
    assert {kind for kind, _ in found.values()} == {kind.value for kind in FileType} - {"subvolume"}


def test_modified_deleted_replaced(volumes: Volumes) -> None:
    root = volumes.top / "root"
    (root / "etc/hosts").write_text("127.0.0.1 somewhere\n")  # the same size
    (root / "var/big/file7").unlink()
    (root / "etc/mode").unlink()
    (root / "etc/mode").mkdir()
    (root / "etc/mode/inside").touch()
    shutil.rmtree(root / "etc/deep")
    (root / "etc/deep").write_text("a file now")
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to("elsewhere")
    assert changes(volumes.check()) == {
        "/etc/hosts": ("file", "modified"),
        "/etc/second": ("file", "modified"),
        "/var/big/file7": ("file", "deleted"),
        "/etc/mode": ("directory", "replaced"),
        "/etc/mode/inside": ("file", "created"),
        "/etc/deep": ("file", "replaced"),
        "/etc/deep/er": ("directory", "deleted"),
        "/etc/deep/er/file": ("file", "deleted"),
        "/etc/link": ("symlink", "modified"),
    }


def test_size_preserving_rewrite_in_the_middle_of_a_file(volumes: Volumes) -> None:
    path = volumes.top / "root/var/big/data"
    before = os.stat(path)
    with open(path, "r+b") as stream:
        stream.seek(500_000)
        stream.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [(one.path, one.letters) for one in volumes.check()] == [(b"/var/big/data", "c......")]


def test_the_same_content_written_again_is_only_a_new_mtime(volumes: Volumes) -> None:
    path = volumes.top / "root/var/big/data"
    path.write_bytes(path.read_bytes())
    assert [(one.path, one.letters) for one in volumes.check()] == [(b"/var/big/data", "......m")]


def test_a_hole_and_zeros_are_the_same_bytes(volumes: Volumes) -> None:
    (volumes.top / "seed/holes").write_bytes(bytes(100_000))
    volumes.filesystem.snapshot("seed", "b2", readonly=True)
    volumes.filesystem.snapshot("b2", "r2")
    path = volumes.top / "r2/holes"
    before = os.stat(path)
    os.truncate(path, 0)
    os.truncate(path, 100_000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert volumes.check("r2", "b2") == []


def test_metadata(volumes: Volumes) -> None:
    root = volumes.top / "root"
    os.chmod(root / "etc/mode", 0o4711)
    os.chown(root / "var/pipe", 5, 6)
    os.setxattr(root / "etc/hosts", "user.note", b"1")
    sh("setfacl", "-m", "u:7:r", root / "var/big/file3")
    sh("chattr", "+A", root / "var/big/file4")
    os.utime(root / "var/big/file5", (1, 1))
    os.chmod(root, 0o711)
    letters = {os.fsdecode(one.path): one.letters for one in volumes.check()}
    assert letters == {
        "/": ".p.....",
        "/etc/mode": ".p.....",
        "/var/pipe": "..ug...",
        "/etc/hosts": "....x..",
        "/etc/second": "....x..",
        "/var/big/file3": ".....a.",
        "/var/big/file4": "....x..",
        "/var/big/file5": "......m",
    }


def test_xattr_removed(volumes: Volumes) -> None:
    os.setxattr(volumes.top / "seed/etc/mode", "user.a", b"1")
    volumes.filesystem.snapshot("seed", "b2", readonly=True)
    volumes.filesystem.snapshot("b2", "r2")
    os.removexattr(volumes.top / "r2/etc/mode", "user.a")
    assert [(one.path, one.letters) for one in volumes.check("r2", "b2")] == [(b"/etc/mode", "....x..")]


def test_atime_alone_is_no_change(volumes: Volumes) -> None:
    path = volumes.top / "root/etc/hosts"
    before = os.stat(path)
    os.utime(path, ns=(before.st_atime_ns + 10**12, before.st_mtime_ns))
    assert os.stat(path).st_atime_ns != before.st_atime_ns
    assert volumes.check() == []


def test_directory_mtime_alone_is_no_change(volumes: Volumes) -> None:
    (volumes.top / "root/etc/gone").touch()
    (volumes.top / "root/etc/gone").unlink()
    assert volumes.check() == []


def test_hard_links(volumes: Volumes) -> None:
    root = volumes.top / "root"
    os.link(root / "etc/mode", root / "etc/third")
    os.unlink(root / "etc/second")
    assert changes(volumes.check()) == {
        "/etc/third": ("file", "created"),
        "/etc/second": ("file", "deleted"),
    }


def test_many_hard_links_need_extended_references(volumes: Volumes) -> None:
    root = volumes.top / "root"
    for number in range(300):
        os.link(root / "etc/mode", root / "etc" / (f"{number:03}" + "n" * 200))
    os.chmod(root / "etc/mode", 0o600)
    assert len(volumes.check()) == 301


def test_rename_is_a_deletion_and_a_creation_of_names(volumes: Volumes) -> None:
    root = volumes.top / "root"
    os.rename(root / "etc/deep", root / "var/deep")
    os.rename(root / "var/big/file1", root / "var/big/file1.moved")
    assert changes(volumes.check()) == {
        "/etc/deep": ("directory", "deleted"),
        "/etc/deep/er": ("directory", "deleted"),
        "/etc/deep/er/file": ("file", "deleted"),
        "/var/deep": ("directory", "created"),
        "/var/deep/er": ("directory", "created"),
        "/var/deep/er/file": ("file", "created"),
        "/var/big/file1": ("file", "deleted"),
        "/var/big/file1.moved": ("file", "created"),
    }


def test_renamed_there_and_back(volumes: Volumes) -> None:
    root = volumes.top / "root"
    os.rename(root / "etc/deep", root / "x")
    os.rename(root / "x", root / "etc/deep")
    assert volumes.check() == []


def test_a_directory_made_anew_around_an_old_one(volumes: Volumes) -> None:
    """Guards against naming what is below both as part of an old place and of a new one."""
    root = volumes.top / "root"
    os.rename(root / "etc/deep", root / "deep.old")
    (root / "etc/deep").mkdir()
    os.rename(root / "deep.old/er", root / "etc/deep/er")
    (root / "deep.old").rmdir()
    os.chmod(root / "etc/deep/er/file", 0o600)
    (root / "etc/deep/er/more").touch()
    assert changes(volumes.check()) == {
        "/etc/deep/er/file": ("file", "metadata"),
        "/etc/deep/er/more": ("file", "created"),
    }


def test_two_files_that_swapped_names(volumes: Volumes) -> None:
    root = volumes.top / "root"
    os.rename(root / "var/big/file1", root / "t")
    os.rename(root / "var/big/file2", root / "var/big/file1")
    os.rename(root / "t", root / "var/big/file2")
    found = volumes.check()
    assert {one.change for one in found} == {Change.MODIFIED}


def test_replaced_by_an_equal_file(volumes: Volumes) -> None:
    path = volumes.top / "root/var/big/data"
    shutil.copy2(path, path.with_suffix(".new"))
    os.rename(path.with_suffix(".new"), path)
    assert volumes.check() == []


HOSTILE = [b"line\nbreak", b"\xff\xfe" + b"x" * 250, b"\x1b[31mred", b"back\\slash", b"*?[a]"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(volumes: Volumes, name: bytes) -> None:
    directory = os.fsencode(volumes.top / "root/etc") + b"/"
    os.mkdir(directory + name)
    Path(os.fsdecode(directory + name + b"/" + name)).touch()
    assert {one.path for one in volumes.check()} == {b"/etc/" + name, b"/etc/" + name + b"/" + name}


def test_paths_deeper_than_path_max(volumes: Volumes) -> None:
    depth = 40
    here = os.open(volumes.top / "root", os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = volumes.differences()
    assert max(len(one.path) for one in found) == depth * 201
    assert len(found) == depth


def test_nested_subvolumes(volumes: Volumes) -> None:
    sh("btrfs", "subvolume", "create", volumes.top / "root/var/machines")
    (volumes.top / "root/var/machines/inside").touch()
    (volumes.top / "root/new").mkdir()
    sh("btrfs", "subvolume", "create", volumes.top / "root/new/inner")
    found = volumes.check()
    assert changes(found) == {
        "/var/machines": ("subvolume", "created"),
        "/new": ("directory", "created"),
        "/new/inner": ("subvolume", "created"),
    }
    assert all(one.subvolume for one in found if one.type is FileType.SUBVOLUME)


def test_a_subvolume_in_place_of_a_directory(volumes: Volumes) -> None:
    shutil.rmtree(volumes.top / "root/etc/deep")
    sh("btrfs", "subvolume", "create", volumes.top / "root/etc/deep")
    assert changes(volumes.check()) == {
        "/etc/deep": ("subvolume", "replaced"),
        "/etc/deep/er": ("directory", "deleted"),
        "/etc/deep/er/file": ("file", "deleted"),
    }


def test_blank_taken_of_the_root_with_a_subvolume_in_it(volumes: Volumes) -> None:
    """The blank shows an empty directory there; the root has the real one."""
    sh("btrfs", "subvolume", "create", volumes.top / "root/var/machines")
    volumes.filesystem.snapshot("root", "blank-of-root", readonly=True)
    (volumes.top / "root/etc/new").touch()
    assert changes(volumes.check("root", "blank-of-root")) == {
        "/var/machines": ("subvolume", "replaced"),
        "/etc/new": ("file", "created"),
    }


def test_an_old_root_that_was_booted_again(volumes: Volumes) -> None:
    (volumes.top / "root/first").touch()
    volumes.filesystem.snapshot("root", "again")
    (volumes.top / "again/second").touch()
    (volumes.top / "root/third").touch()
    assert set(changes(volumes.check("again"))) == {"/first", "/second"}


def test_a_blank_that_was_written_to_later(volumes: Volumes) -> None:
    volumes.filesystem.snapshot("seed", "soft")
    volumes.filesystem.snapshot("soft", "hard")
    (volumes.top / "soft/etc/hosts").write_text("changed in the blank\n")
    (volumes.top / "soft/only-blank").touch()
    (volumes.top / "hard/only-root").touch()
    assert set(changes(volumes.check("hard", "soft"))) == {
        "/etc/hosts", "/etc/second", "/only-blank", "/only-root",
    }  # fmt: skip


def test_strangers_are_compared_whole(volumes: Volumes) -> None:
    blank = volumes.filesystem.subvolume("stranger")
    sh("cp", "-a", f"{volumes.top}/seed/.", blank)
    (blank / "etc/hosts").write_text("other\n")
    assert set(changes(volumes.check("root", "stranger"))) == {"/etc/hosts", "/etc/second"}


def test_without_a_blank_everything_is_new(volumes: Volumes) -> None:
    found = volumes.check("root", None)
    assert {one.change for one in found} == {Change.CREATED}
    assert len(found) == 53


def test_unlinked_and_open_has_no_name(volumes: Volumes) -> None:
    with open(volumes.top / "root/etc/unlinked", "w") as stream:
        stream.write("x")
        os.unlink(volumes.top / "root/etc/unlinked")
        assert volumes.check() == []


def test_preallocated_and_reflinked(volumes: Volumes) -> None:
    root = volumes.top / "root"
    sh("cp", "--reflink=always", root / "var/big/data", root / "var/big/copy")
    with open(root / "var/big/file9", "r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, 1 << 20)
    volumes.check()


def test_no_cow_file_written_in_place(volumes: Volumes) -> None:
    path = volumes.top / "seed/nocow"
    path.touch()
    sh("chattr", "+C", path)
    path.write_bytes(b"a" * 100_000)
    volumes.filesystem.snapshot("seed", "b2", readonly=True)
    volumes.filesystem.snapshot("b2", "r2")
    for byte in (b"b", b"c"):
        with open(volumes.top / "r2/nocow", "r+b") as stream:
            stream.seek(50_000)
            stream.write(byte)
        volumes.filesystem.sync()
    assert [one.letters for one in volumes.check("r2", "b2")] == ["c.....m"]


def test_clone_range_of_the_same_bytes(volumes: Volumes) -> None:
    """Other extents, the same content: no change but the time."""
    path = volumes.top / "root/var/big/data"
    copy = volumes.top / "root/copy"
    copy.write_bytes(path.read_bytes())
    with open(copy, "rb") as source, open(path, "r+b") as target:
        FICLONERANGE = 0x4020940D
        fcntl.ioctl(target, FICLONERANGE, struct.pack("qQQQ", source.fileno(), 0, 0, 0))
    copy.unlink()
    assert [one.letters for one in volumes.check()] == ["......m"]


def test_of_inode_agrees_with_the_whole(volumes: Volumes) -> None:
    root = volumes.top / "root"
    (root / "new/below").mkdir(parents=True)
    (root / "new/below/file").write_text("x")
    (root / "etc/hosts").write_text("other\n")
    (root / "var/big/file7").unlink()
    os.rename(root / "etc/deep", root / "etc/moved")
    whole = {one.path: one for one in volumes.check()}
    drift = volumes.drift()
    try:
        for one in whole.values():
            assert one in list(drift.of_inode(one.inode)) or one.path.startswith(b"/etc/deep"), one
        quiet = os.stat(root / "var/big/file8").st_ino
        assert list(drift.of_inode(quiet)) == []
        assert list(drift.of_inode(2**40)) == []
    finally:
        os.close(volumes.fd)


def test_what_a_file_takes_is_not_what_it_says(volumes: Volumes) -> None:
    root = volumes.top / "root"
    with open(root / "sparse", "wb") as stream:
        stream.truncate(1 << 62)
        stream.write(b"x" * 5000)
    (root / "room").touch()
    sh("fallocate", "--keep-size", "--length", "8MiB", root / "room")
    (root / "dense").write_bytes(os.urandom(300_001))
    (root / "several").write_bytes(os.urandom(8192))
    for number in range(3):
        os.link(root / "several", root / f"etc/several{number}")
    found = {one.path: one for one in volumes.differences()}
    assert (found[b"/sparse"].size, found[b"/sparse"].held) == (1 << 62, 8192)
    assert (found[b"/room"].size, found[b"/room"].held) == (0, 8 << 20)
    assert (found[b"/dense"].size, found[b"/dense"].held) == (300_001, 300_001)
    assert sum(one.held for path, one in found.items() if b"several" in path) == 8192


def test_the_weight_of_what_came_since_the_blank(volumes: Volumes) -> None:
    root = volumes.top / "root"

    def weighed() -> int | None:
        return volumes.check_weight("root", "root-blank", volumes.check())

    assert weighed() == 0
    (root / "new/below").mkdir(parents=True)
    (root / "new/below/file").write_bytes(b"x" * 10_000)
    os.link(root / "new/below/file", root / "new/second")
    (root / "var/big/file3").write_text("changed")
    weight = weighed()
    assert weight is not None and 10_007 <= weight < 40_000
    (root / "new/below").rename(root / "elsewhere")
    assert weighed() == weight, "what is new itself is met, wherever it lies"
    (root / "var/big").rename(root / "moved")
    assert weighed() is None, "the files below it are old, and the search does not meet them"


def test_a_weight_that_takes_long_is_not_known(volumes: Volumes) -> None:
    for number in range(100):
        (volumes.top / f"root/{number}").touch()
    fd = os.open(volumes.top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        volumes.filesystem.sync()
        assert weight(Tree(fd, volumes.subvolume("root").id), 0, 50) is None
        assert weight(Tree(fd, volumes.subvolume("root").id), 0, 100_000) is not None
    finally:
        os.close(fd)


def test_the_content_of_another_users_file_is_read_with_the_daemons_capabilities(
    filesystem: Filesystem, tmp_path: Path
) -> None:
    """Without CAP_FOWNER an open with O_NOATIME fails, and what could not be read counted as changed."""
    seed = filesystem.subvolume("seed")
    for name in ("same", "other"):
        (seed / name).write_bytes(b"a" * 100_000)
        os.chown(seed / name, 4711, 4711)
        os.chmod(seed / name, 0o600)
    filesystem.snapshot("seed", "root-blank", readonly=True)
    filesystem.snapshot("root-blank", "root")
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root,strictatime")
    for name, content in (("same", b"a"), ("other", b"b")):
        before = (mountpoint / name).stat()
        (mountpoint / name).write_bytes(content * 100_000)
        os.utime(mountpoint / name, ns=(0, before.st_mtime_ns))
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    program = "import sys; from impermanenced.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "--config", os.fspath(config), "status", "--all", "--json"]
    report = json.loads(sh(*as_unit("impermanenced.service"), *command, env={"PATH": os.environ["PATH"]}))
    assert report["complete"]
    assert [(entry["path"], entry["change"]) for entry in report["entries"]] == [("/other", "modified")]
    assert (mountpoint / "other").stat().st_atime_ns == 0, "a report leaves no trace"
