"""What an earlier boot left is put back: whole or not at all, and over nothing."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import restore
from impermanenced.boots.restore import Source, Target
from impermanenced.errors import Cancelled, ImpermanenceError
from impermanenced.kernel import libc
from tests.btrfs.copying import trees
from tests.btrfs.copying.test_races import attacking, facts, foreign_at
from tests.btrfs.races import tries
from tests.conftest import Filesystem, sh
from tests.schema import checked

from .lives import DEEP, live, writes, writes_deep
from .machine import Machine

TRIES = tries(100)
INTERRUPTIONS = 20


def restored(machine: Machine, *argv: str) -> Any:
    return checked("restored", machine.say("restore", "--json", *argv))["restored"]


def old_root(machine: Machine, number: int) -> Path:
    (found,) = machine.filesystem.top.glob(f"old_roots/{number}-*")
    return found


@pytest.fixture
def lived(machine: Machine) -> Machine:
    live(machine, [writes(a="one\n", b="kept\n"), writes(a="two\n"), writes(b="now\n")])
    return machine


def leftovers(machine: Machine) -> list[Path]:
    return [path for path in machine.root.rglob(".*") if path.name.endswith(".restoring")]


def test_of_the_previous_boot_and_of_any(lived: Machine) -> None:
    said = lived.say("restore", "/etc/a")
    assert said == f"restored /etc/a from boot 2 to {lived.root}/etc/a: 1 file, 4 B\n"
    assert (lived.root / "etc/a").read_text() == "two\n"
    (lived.root / "etc/a").unlink()
    (one,) = restored(lived, "-b", "1", "/etc/a")
    assert (one["files"], one["backup"], one["replaced"], one["lost"]) == (1, None, False, [])
    assert (lived.root / "etc/a").read_text() == "one\n"
    assert leftovers(lived) == []


def test_of_the_blank(lived: Machine) -> None:
    (lived.root / "etc").chmod(0o700)
    (lived.root / "etc/b").unlink()
    (one,) = restored(lived, "--blank", "--force", "/etc")
    assert one["replaced"]
    assert (lived.root / "etc").stat().st_mode & 0o777 == 0o755
    assert not lived.say("diff", "-b", "blank..now").partition(": ")[2].startswith("1")


def test_what_the_blank_does_not_have_goes(lived: Machine) -> None:
    """To put a path back as the blank has it is to remove it; nothing goes without a word."""
    assert "the blank has no " in lived.refused(1, "restore", "--blank", "/etc/b")
    (one,) = restored(lived, "--blank", "--keep", "/etc/b")
    assert (one["files"], one["backup"]) == (0, "b.~1~")
    assert (lived.root / "etc/b.~1~").read_text() == "now\n"
    said = lived.say("restore", "--blank", "--force", "/etc/b.~1~")
    assert said.startswith("/etc/b.~1~ is not there any more, as in the blank\n")
    assert list((lived.root / "etc").iterdir()) == []
    assert "/etc/b is not there" in lived.run("restore", "--blank", "--force", "/etc/b").stderr


def test_over_nothing_without_a_word(lived: Machine) -> None:
    assert "/etc/b is there already; nothing was changed" in lived.refused(1, "restore", "-b", "1", "/etc/b")
    (one,) = restored(lived, "-b", "1", "--keep", "/etc/b")
    assert one["backup"] == "b.~1~"
    assert (lived.root / "etc/b").read_text() == "kept\n"
    assert (lived.root / "etc/b.~1~").read_text() == "now\n"
    (two,) = restored(lived, "-b", "1", "--keep", "/etc/b")
    assert two["backup"] == "b.~2~"
    (three,) = restored(lived, "-b", "1", "--force", "/etc/b")
    assert (three["backup"], three["replaced"]) == (None, True)
    assert sorted(path.name for path in (lived.root / "etc").iterdir()) == ["b", "b.~1~", "b.~2~"]


def test_a_path_that_was_a_directory_then_and_is_a_file_now(machine: Machine) -> None:
    def life(root: Path) -> None:
        (root / "srv").mkdir()
        (root / "srv/file").write_text("x")

    live(machine, [life, lambda root: (root / "srv").write_text("a file")])
    message = machine.refused(1, "restore", "/srv")
    assert "/srv is there already, and is a file now, not a directory" in message
    restored(machine, "--keep", "/srv")
    assert (machine.root / "srv/file").read_text() == "x"
    assert (machine.root / "srv.~1~").read_text() == "a file"


def test_elsewhere_and_on_another_filesystem(lived: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (one,) = restored(lived, "-b", "1", "--to", os.fspath(elsewhere), "/etc")
    assert one["shared"] == 0
    assert (elsewhere / "etc/a").read_text() == "one\n"
    assert sorted(os.listdir(elsewhere)) == ["etc"]


def test_directories_above_are_made_as_they_were(machine: Machine) -> None:
    def life(root: Path) -> None:
        (root / "home/alice/work").mkdir(parents=True)
        os.chown(root / "home/alice", 1000, 1000)
        (root / "home/alice").chmod(0o700)
        (root / "home/alice/work/file").write_text("x")

    live(machine, [life, writes()])
    said = machine.say("restore", "/home/alice/work")
    assert "made the directory /home/alice" in said
    info = (machine.root / "home/alice").stat()
    assert (info.st_uid, info.st_gid, info.st_mode & 0o777) == (1000, 1000, 0o700)


def test_nested_subvolumes_are_what_they_were(machine: Machine) -> None:
    def life(root: Path) -> None:
        sh("btrfs", "subvolume", "create", root / "srv")
        sh("btrfs", "subvolume", "create", root / "srv/inner")
        (root / "srv/inner/file").write_text("x")

    live(machine, [life, writes()])
    restored(machine, "/srv")
    assert (machine.root / "srv/inner/file").read_text() == "x"
    assert (machine.root / "srv").stat().st_ino == (machine.root / "srv/inner").stat().st_ino == 256
    (old_root(machine, 1) / "srv/inner/file").read_text()


def test_several_at_once_or_none(lived: Machine) -> None:
    assert "it was not there then" in lived.refused(1, "restore", "-b", "1", "/etc/a", "/etc/nothing")
    assert len(restored(lived, "-b", "1", "--force", "/etc/a", "/etc/b")) == 2
    (lived.root / "etc/a").unlink()
    assert "would restore /etc/a from boot 1 to " in lived.say("restore", "--dry-run", "-b", "1", "/etc/a")
    assert not (lived.root / "etc/a").exists()


def test_old_roots_of_the_scripts(lived: Machine) -> None:
    classic = lived.filesystem.top / "old_roots/2024-7-4_09:59:51"
    sh("btrfs", "subvolume", "snapshot", lived.filesystem.top / "root-blank", classic)
    (classic / "etc/classic").write_text("x")
    restored(lived, "-b", "2024-7-4_09:59:51", "/etc/classic")
    assert (lived.root / "etc/classic").read_text() == "x"


# Torture


@contextlib.contextmanager
def ends(source: Path, target: Path, name: str) -> Iterator[tuple[Source, Target]]:
    """The two sides of a restore of one name."""
    one, two = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target))
    try:
        raw = os.fsencode(name)
        yield Source(one, b"/" + raw, b"7"), Target(two, b"/", raw, os.fsencode(target / name))
    finally:
        os.close(one)
        os.close(two)


def put_back(
    source: Source, target: Target, stop: Any = lambda: False, *, force: bool = False
) -> restore.Restored:
    return restore.restore(source, target, force=force, progress=lambda _: None, cancelled=stop)


def test_everything_is_identical_however_often_it_was_interrupted(filesystem: Filesystem) -> None:
    """Content, metadata, holes and hard links, after twenty runs that were cut at random points."""
    then, now = filesystem.subvolume("then"), filesystem.subvolume("now")
    trees.torture(then / "tree", many=200)
    chosen = random.Random(15)
    calls, total = 0, 0

    def count() -> bool:
        nonlocal calls
        calls += 1
        return 0 < total <= calls

    with ends(then, filesystem.subvolume("whole"), "tree") as (source, target):
        most = put_back(source, target, count).result.files
    cut = 0
    with ends(then, now, "tree") as (source, target):
        for _ in range(INTERRUPTIONS):
            calls, total = 0, chosen.randrange(1, most)
            with contextlib.suppress(Cancelled):
                put_back(source, target, count)
                raise AssertionError("it was not cut")
            cut += 1
            assert os.listdir(now) == [".tree.restoring"]  # nobody sees a part of it
        calls, total = 0, 0
        done = put_back(source, target, count)
    assert (cut, done.result.lost) == (INTERRUPTIONS, ())
    assert done.result.kept > 0  # it went on
    assert os.listdir(now) == ["tree"]
    seen = trees.look(os.fsencode(then / "tree")), trees.look(os.fsencode(now / "tree"))
    assert trees.difference(*seen) == {}


def test_a_target_that_is_full(filesystem: Filesystem, tmp_path: Path) -> None:
    then = filesystem.subvolume("then")
    (then / "tree").mkdir()
    (then / "tree/large").write_bytes(os.urandom(8 << 20))
    small = tmp_path / "small"
    small.mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", small)
    try:
        with ends(then, small, "tree") as (source, target), pytest.raises(OSError, match="No space left"):
            put_back(source, target)
        assert os.listdir(small) == []  # the space is given back
    finally:
        sh("umount", small)


def exchange(one: Path, other: Path) -> None:
    here = libc.AT_FDCWD
    libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), libc.RENAME_EXCHANGE)


def test_who_swaps_the_parents_of_the_target_gets_nothing_written_elsewhere(filesystem: Filesystem) -> None:
    then, now = filesystem.subvolume("then"), filesystem.subvolume("now")
    (then / "home/dir").mkdir(parents=True)
    (then / "home/dir/file").write_text("x")
    elsewhere = foreign_at(filesystem.top)
    (now / "home/dir").mkdir(parents=True)
    (now / "home/other").symlink_to(elsewhere)
    before = facts(elsewhere)
    done = refused = 0
    one, two = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (then, now))
    source = Source(one, b"/home/dir/file", b"7")
    target = Target(two, b"/home/dir", b"restored", os.fsencode(now / "home/dir/restored"))
    try:
        with attacking(lambda: exchange(now / "home/dir", now / "home/other")):
            while done + refused < TRIES or not done:
                try:
                    put_back(source, target, force=True)
                    done += 1
                except (ImpermanenceError, OSError):
                    refused += 1
    finally:
        os.close(one)
        os.close(two)
    assert facts(elsewhere) == before


def test_a_place_that_somebody_else_has_made_is_not_used(filesystem: Filesystem) -> None:
    then, now = filesystem.subvolume("then"), filesystem.subvolume("now")
    (then / "file").write_text("x")
    (now / ".file.restoring").mkdir(mode=0o777)
    os.chown(now / ".file.restoring", 1000, 1000)
    with ends(then, now, "file") as (source, target):
        with pytest.raises(ImpermanenceError, match=r"\.file\.restoring is needed .* root's alone"):
            put_back(source, target)
        (now / ".file.restoring").rmdir()
        (now / ".file.restoring").symlink_to(then)
        with pytest.raises(ImpermanenceError, match="somebody else's"):
            put_back(source, target)
    assert os.listdir(then) == ["file"]


# Bad input


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ((), 2, "restore what?"),
        (("-b", "9", "/etc/a"), 2, "there is no boot 9"),
        (("-b", "1", "--blank", "/etc/a"), 2, "--blank and -b"),
        (("--keep", "--force", "/etc/a"), 2, "--keep and --force"),
        (("/"), 2, "is the whole volume"),
        (("-b", "1", "/etc/a", "/etc/a"), 2, "would be restored twice"),
        (("-b", "1", "/etc/nothing"), 1, "it was not there then"),
        (("-b", "1", "--to", "/nowhere", "/etc/a"), 1, "/nowhere: No such file or directory"),
    ],
)
def test_what_makes_no_sense(lived: Machine, argv: tuple[str, ...], code: int, message: str) -> None:
    assert message in lived.refused(code, "restore", *argv)


def test_a_link_on_the_way(lived: Machine) -> None:
    (lived.root / "etc").rename(lived.root / "settings")
    (lived.root / "etc").symlink_to("settings")
    assert "a symbolic link is on the way" in lived.refused(1, "restore", "-b", "1", "/etc/a")


def test_a_path_that_something_is_mounted_on(lived: Machine) -> None:
    """What is declared is mounted at its path, and lives elsewhere."""
    persist = lived.filesystem.subvolume("persist")
    (lived.root / "etc/a").mkdir()
    sh("mount", "--bind", persist, lived.root / "etc/a")
    try:
        message = lived.refused(1, "restore", "-b", "1", "--force", "/etc/a")
        assert "something is mounted there, and stays" in message
    finally:
        sh("umount", lived.root / "etc/a")


def test_a_name_beyond_what_a_path_can_be(machine: Machine) -> None:
    live(machine, [writes_deep, writes()])
    long = DEEP
    assert "File name too long" in machine.refused(1, "restore", long)
    (one,) = restored(machine, "/" + "d" * 200)
    assert one["files"] == 31


def test_an_old_root_that_is_gone(lived: Machine) -> None:
    sh("btrfs", "subvolume", "delete", old_root(lived, 1))
    assert "the old root of boot 1 is gone" in lived.refused(1, "restore", "-b", "1", "/etc/a")
