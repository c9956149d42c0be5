"""Files by paths that others could have laid."""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.kernel import libc, openat2

# linux/filter.h, linux/seccomp.h, linux/prctl.h
LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS
RETURN_ERRNO, RETURN_ALLOW = 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38


def without_openat2() -> None:
    """This process has none from here on, as in a unit with RestrictSUIDSGID=."""
    program = [
        LOAD_NUMBER,
        (0x15, 0, 1, libc.SYS_openat2),  # BPF_JMP | BPF_JEQ | BPF_K
        (0x06, 0, 0, RETURN_ERRNO | errno.ENOSYS),  # BPF_RET
        (0x06, 0, 0, RETURN_ALLOW),
    ]
    lines = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(lines)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) == 0


def test_it_is_the_same_without_openat2(request: pytest.FixtureRequest) -> None:
    """All of this file again, in a process that has none."""
    again = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not without_openat2"]
    pid = os.fork()
    if pid == 0:
        without_openat2()
        with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
            libc.openat2(libc.AT_FDCWD, b".", os.O_PATH, 0)
        os.execv(sys.executable, [sys.executable, *again, os.fspath(request.path)])
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_bytes(b"0123456789")
    (tmp_path / "outside").write_bytes(b"outside")
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def test_at_most_so_much_is_read(root: int) -> None:
    assert openat2.read(root, b"/a/b/file", 4) == b"0123"
    assert openat2.read(root, b"a/b/file", 100) == b"0123456789"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "b/file", "loop"])
def test_no_link_is_followed(root: int, tmp_path: Path, target: str) -> None:
    (tmp_path / "root/a/loop").symlink_to(target)
    with pytest.raises(OSError, match="loop"):
        openat2.read(root, b"/a/loop", 4)
    with pytest.raises(OSError, match="loop"):
        openat2.open_directory(root, b"/a/loop/b")


def test_no_way_out(root: int) -> None:
    with pytest.raises(OSError, match="outside"):
        openat2.read(root, b"../outside", 4)


def test_a_fifo_and_a_device_are_not_opened(root: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "root/fifo")
    for name in (b"fifo", b"a"):
        with pytest.raises(OSError, match="not a regular file"):
            openat2.read(root, name, 4)


def test_directories_are_opened_once(root: int) -> None:
    directories = openat2.Directories(root)
    first = directories.of(b"/a/b")
    assert first is not None
    assert directories.of(b"/a/b") == first
    assert os.stat(b"file", dir_fd=first).st_size == 10
    assert directories.of(b"/no") is None
    assert directories.of(b"/no/where/below") is None
    assert directories.of(b"/") is not None
    directories.close()
