"""A directory of root's in a user's: the user may have put it on the way, so nothing goes through it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.config.placement import SYNC, Ownership, Placement
from impermanenced.errors import ImpermanenceError
from impermanenced.keep import approach, places, seeds, sync
from impermanenced.keep.live import Live
from impermanenced.keep.ownership import Owner
from impermanenced.keep.plan import Kind, Made, Mounting
from impermanenced.kernel import mounts
from impermanenced.model import Declaration

from ..races import ALICE

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has users to fear: run make test as root"
)
REFUSED = f"lies in a directory of uid {ALICE}, and is of uid 0"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a closed directory of root's in it, and one in which everything is its owner's."""
    home = tmp_path / "home"
    (home / "of-root/open").mkdir(parents=True)
    (home / "of-root").chmod(0o700)
    (home / "of-root/file").write_text("root's")
    (home / "hers/open").mkdir(parents=True)
    (home / "hers/file").write_text("alice's")
    for path in (home, home / "hers", *(home / "hers").iterdir()):
        os.chown(path, ALICE, ALICE)
    return home


@pytest.fixture
def root() -> Iterator[int]:
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_the_way(home: Path, root: int) -> None:
    path = os.fsencode(home)
    with pytest.raises(approach.Unsafe, match=REFUSED):
        approach.open_directory(root, path + b"/of-root/open")
    fd, way = approach.walk(root, path + b"/hers/open")
    os.close(fd)
    assert [facts.st_uid for facts in way][-3:] == [ALICE, ALICE, ALICE]
    assert len(way) == path.count(b"/") + 2
    fd = approach.open_path(root, path + b"/of-root")  # what is at the end is for the caller to judge
    os.close(fd)


@pytest.mark.parametrize(
    ("names", "error"),
    [("link", errno.ELOOP), ("hers/file", errno.ENOTDIR), ("none", errno.ENOENT), ("hers/..", errno.EXDEV)],
)
def test_no_way(home: Path, root: int, names: str, error: int) -> None:
    (home / "link").symlink_to("hers")
    with pytest.raises(OSError) as failed:
        approach.open_directory(root, os.fsencode(home / names) + b"/open")
    assert failed.value.errno == error


def test_nothing_is_made_there(home: Path, root: int) -> None:
    made = Made(os.fsencode(home) + b"/of-root/new", Kind.DIRECTORY, Owner(ALICE, ALICE, 0o700))
    with pytest.raises(ImpermanenceError, match=REFUSED):
        places.create(root, made)
    assert not (home / "of-root/new").exists()


@pytest.mark.parametrize("mine", ["source", "place"])
def test_nothing_is_mounted_there_or_from_there(home: Path, root: int, mine: str) -> None:
    theirs, hers = (os.fsencode(home) + name for name in (b"/of-root/open", b"/hers/open"))
    source, place = (theirs, hers) if mine == "source" else (hers, theirs)
    with Live(root) as live:
        outcome = live.mount(Mounting(source, place, place, True, (), b"/persist", ""), dry_run=False)
    assert outcome is not None and not outcome.done and not outcome.failed
    assert REFUSED in outcome.words
    assert not [one for one in mounts.read() if one.path == place]


@pytest.mark.parametrize("theirs", ["path", "source"])
def test_nothing_is_copied_back_from_there_or_to_there(home: Path, tmp_path: Path, theirs: str) -> None:
    (tmp_path / "persist" / os.fspath(home)[1:]).mkdir(parents=True)
    stored = tmp_path / "persist" / os.fspath(home)[1:] / "way"
    stored.mkdir()
    (stored / "file").write_text("older")
    if theirs == "path":
        (home / "of-root").rename(home / "way")
    else:
        (home / "hers").rename(home / "way")
        os.chown(stored.parent, ALICE, ALICE)
    path = os.fsencode(home) + b"/way/file"
    placement = Placement(
        Declaration(path, False, os.fsencode(tmp_path / "persist"), ""), SYNC, False, Ownership(), Ownership()
    )
    (found,) = sync.run([placement], b"/", dry_run=False)
    assert not found.done and REFUSED in found.why
    assert (stored / "file").read_text() == "older"


def test_nothing_becomes_a_first_content_from_there(home: Path, tmp_path: Path, root: int) -> None:
    (tmp_path / "persist").mkdir()
    with pytest.raises(ImpermanenceError, match=REFUSED):
        seeds.sow(root, os.fsencode(home) + b"/of-root/file", os.fsencode(tmp_path) + b"/persist/file")
    assert os.listdir(tmp_path / "persist") == []
