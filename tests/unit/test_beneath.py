"""Files by paths that others could have laid."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.kernel import beneath


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_bytes(b"0123456789")
    (tmp_path / "outside").write_bytes(b"outside")
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def test_at_most_so_much_is_read(root: int) -> None:
    assert beneath.read(root, b"/a/b/file", 4) == b"0123"
    assert beneath.read(root, b"a/b/file", 100) == b"0123456789"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "b/file", "loop"])
def test_no_link_is_followed(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root/a/loop").symlink_to(target)
    with pytest.raises(OSError, match="loop"):
        beneath.read(root, b"/a/loop", 4)
    with pytest.raises(OSError, match="loop"):
        beneath.open_directory(root, b"/a/loop/b")


def test_no_way_out(root: int) -> None:
    with pytest.raises(OSError, match="outside"):
        beneath.read(root, b"../outside", 4)


def test_a_fifo_and_a_device_are_not_opened(root: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root/fifo")
    for name in (b"fifo", b"a"):
        with pytest.raises(OSError, match="not a regular file"):
            beneath.read(root, name, 4)


def test_directories_are_opened_once(root: int) -> None:
    directories = beneath.Directories(root)
    first = directories.of(b"/a/b")
    assert first is not None
    assert directories.of(b"/a/b") == first
    assert os.stat(b"file", dir_fd=first).st_size == 10
    assert directories.of(b"/no") is None
    assert directories.of(b"/no/where/below") is None
    assert directories.of(b"/") is not None
    directories.close()
