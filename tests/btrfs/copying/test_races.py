"""Somebody who owns the tree, or its directory, changes it while it is copied or removed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from impermanenced import copying

from ..races import tries
from .conftest import Pair

TRIES = tries(100)


@contextlib.contextmanager
def attacking(attack: Callable[[], None]) -> Iterator[None]:
    """Do it again and again meanwhile."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                attack()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def swapping(one: Path, other: Path) -> Callable[[], None]:
    spare = one.with_name("spare")

    def swap() -> None:
        one.rename(spare)
        other.rename(one)
        one.rename(other)
        spare.rename(one)

    return swap


def foreign(pair: Pair) -> Path:
    return foreign_at(pair.filesystem.top)


def foreign_at(top: Path) -> Path:
    """What nobody asked for: its content must not be read, and it must stay as it is."""
    where = top / "foreign"
    where.mkdir(mode=0o755)
    (where / "file").write_text("secret")
    (where / "file").chmod(0o600)
    (where / "below").mkdir()
    (where / "below/file").write_text("secret")
    return where


def facts(where: Path) -> list[tuple[object, ...]]:
    return [
        (path, info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, info.st_nlink)
        for path in sorted([where, *where.rglob("*")])
        for info in [path.lstat()]
    ]


def test_no_link_is_followed_by_the_copier(pair: Pair) -> None:
    elsewhere = foreign(pair)
    before = facts(elsewhere)
    tree = pair.source / "tree"
    for name in ("a", "b", "c"):
        (tree / name / "below").mkdir(parents=True)
        for number in range(5):
            (tree / name / "below" / f"file{number}").write_text("mine")
        (tree / name / "file").write_text("mine")
    (pair.source / "link").symlink_to(elsewhere)
    (pair.source / "file-link").symlink_to(elsewhere / "file")
    directories = swapping(tree / "b", pair.source / "link")
    files = swapping(tree / "c/file", pair.source / "file-link")
    with attacking(directories), attacking(files):
        for number in range(TRIES):
            with contextlib.suppress(OSError):  # the tree's top may be away for a moment
                pair.copy(as_name=f"copy{number % 10}")
            for copied in (pair.target / f"copy{number % 10}").rglob("*file*"):
                assert copied.is_symlink() or copied.read_text() == "mine"
    assert facts(elsewhere) == before


def test_no_link_is_followed_by_the_removal(pair: Pair) -> None:
    elsewhere = foreign(pair)
    before = facts(elsewhere)
    tree, removed = pair.target / "tree", 0
    with attacking(swapping(tree / "below", pair.target / "link")):
        for number in range(TRIES):
            (pair.target / f"new{number}/below/deep").mkdir(parents=True)
            (pair.target / f"new{number}/below/deep/file").touch()
            with contextlib.suppress(FileExistsError):
                (pair.target / "link").symlink_to(elsewhere)
            with contextlib.suppress(OSError):  # the attacker has put something there
                (pair.target / f"new{number}").rename(tree)
            with contextlib.suppress(OSError):
                pair.remove()
                removed += 1
    assert removed
    assert facts(elsewhere) == before


def test_a_directory_that_moves_away_while_it_is_read_is_an_error_or_no_matter(pair: Pair) -> None:
    """Far below, the way back is `..`, and that must not lead into somebody else's directory."""
    elsewhere = foreign(pair)
    at = pair.source / "tree"
    for _ in range(130):
        at = at / "d"
    at.mkdir(parents=True)
    top, moved = pair.source / "tree" / Path(*["d"] * 60), elsewhere / "moved"

    def move() -> None:
        top.rename(moved)
        moved.rename(top)

    with attacking(move):
        for _ in range(TRIES // 5):
            with contextlib.suppress(OSError):
                pair.copy()
            assert not list((pair.target / "tree").rglob("file"))


def test_the_name_is_swapped_where_the_copy_is_made(pair: Pair) -> None:
    """The directory is somebody else's: what is put in the copy's place is not changed."""
    elsewhere = foreign(pair)
    before = facts(elsewhere)
    (pair.source / "tree/below").mkdir(parents=True)
    (pair.source / "tree/below/file").write_text("mine")
    os.chown(pair.source / "tree", 1000, 1000)
    (pair.source / "link-to").symlink_to("anything")
    os.lchown(pair.source / "link-to", 1000, 1000)
    (pair.target / "evil").symlink_to(elsewhere)
    with attacking(swapping(pair.target / "tree", pair.target / "evil")):
        for _ in range(TRIES):
            for name in ("tree", "link-to"):
                with contextlib.suppress(OSError):
                    pair.copy(name, "tree")
    assert facts(elsewhere) == before


def test_files_come_and_go_while_they_are_copied(pair: Pair) -> None:
    tree = pair.source / "tree"
    tree.mkdir()
    for number in range(50):
        (tree / f"stays{number}").write_text("s")

    def churn() -> None:
        (tree / "new").write_text("n")
        os.mkfifo(tree / "fifo")
        (tree / "new").unlink()
        (tree / "new").mkdir()
        (tree / "new").rmdir()
        (tree / "fifo").unlink()

    with attacking(churn):
        for _ in range(TRIES):
            lost = pair.copy().lost
            assert {one.kind for one in lost} <= {copying.Kind.VANISHED}
    assert len(list((pair.target / "tree").glob("stays*"))) == 50
