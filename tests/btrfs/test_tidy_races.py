"""A user who owns the directory of a stray exchanges it for a link all the time: nothing outside is touched.

TIDY_RACES=100000 tries so often.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator

import pytest

from impermanenced.keep.strays import Stray, inode_of
from impermanenced.keep.trash import NAME, Trash
from impermanenced.kernel import libc
from impermanenced.model import FileType

from ..conftest import Filesystem

TRIES = int(os.environ.get("TIDY_RACES", "1000"))
ALICE = 1000


def attack(home: str) -> None:
    """As alice: her directory and a link to what is not hers change places, and so do two of her files."""
    fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    os.setresgid(ALICE, ALICE, ALICE)
    os.setresuid(ALICE, ALICE, ALICE)
    while True:
        for one, other in ((b"dir", b"link"), (b"dir/stray", b"other")):
            with contextlib.suppress(OSError):
                libc.renameat2(fd, one, fd, other, libc.RENAME_EXCHANGE)


@pytest.fixture
def inode(filesystem: Filesystem) -> Iterator[tuple[int, int]]:
    """Of the stray."""
    persist = filesystem.subvolume("persist")
    (persist / "etc").mkdir()
    (persist / "etc/stray").write_text("root's")
    home = persist / "home/alice"
    (home / "dir").mkdir(parents=True)
    (home / "link").symlink_to(persist / "etc")
    for name in ("dir/stray", "other"):
        (home / name).write_text(name)
    for path in (home, home / "dir", home / "dir/stray", home / "other"):
        os.chown(path, ALICE, ALICE)
    found = inode_of((home / "dir/stray").stat())
    attacker = multiprocessing.get_context("fork").Process(target=attack, args=(os.fspath(home),))
    attacker.start()
    try:
        yield found
    finally:
        attacker.kill()
        attacker.join()


def test_no_foreign_file_is_moved_and_nothing_is_put_outside(
    filesystem: Filesystem, inode: tuple[int, int]
) -> None:
    persist = filesystem.top / "persist"
    outside = inode_of((persist / "etc/stray").stat())
    stray = Stray(b"/p/home/alice/dir/stray", b"/p", FileType.FILE, 0, 1, True, ALICE, inode)
    taken = back = 0
    top = os.open(persist, os.O_RDONLY | os.O_DIRECTORY)
    with Trash(top, writable=True) as trash:
        for number in range(TRIES):
            with contextlib.suppress(OSError):
                one = trash.take(stray, 1_700_000_000 + number)
                taken += 1
                content = persist / NAME.decode() / one.id.decode() / "content"
                assert inode_of(content.lstat()) == inode
            for one in list(trash.entries()):
                with contextlib.suppress(OSError):
                    trash.give_back(one)
                    back += 1
            assert inode_of((persist / "etc/stray").stat()) == outside
            assert os.listdir(persist / "etc") == ["stray"]
    os.close(top)
    assert (persist / "etc/stray").stat().st_uid == 0
    assert taken > 0 and back > 0, "the attack leaves some room"
