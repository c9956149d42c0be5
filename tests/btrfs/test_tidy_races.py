"""A user who owns the directory of a stray exchanges it for a link all the time: nothing outside is touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from impermanenced.keep.strays import Stray, inode_of
from impermanenced.keep.trash import NAME, Trash
from impermanenced.model import FileType

from ..conftest import Filesystem
from .races import ALICE, exchanging, tries

TRIES = tries(1000)


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
    with exchanging(home, (b"dir", b"link"), (b"dir/stray", b"other")):
        yield found


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
