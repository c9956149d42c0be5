"""What keeps one test from another: a mount namespace for each pytest, and loop devices without a race.

A mount namespace is a copy of the one that its maker lives in.  While somebody's copy holds a filesystem,
its last unmount commits nothing, and its devices stay busy.  What is mounted in a namespace that only
pytest's own children live in, nobody else can copy; nor can it be taken for something of another pytest's,
whose filesystem has subvolumes of the same names and records of the same boot.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

# linux/sched.h, linux/mount.h
CLONE_NEWNS = 0x00020000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

# linux/loop.h, linux/major.h
LOOP_SET_FD = 0x4C00
LOOP_CLR_FD = 0x4C01
LOOP_CTL_GET_FREE = 0x4C82
LOOP_MAJOR = 7

PATIENCE = 60.0  # seconds that anything may take on a busy machine; only what fails takes as long

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]


def own_mount_namespace() -> None:
    """Leave the mount namespace of the machine; nothing propagates in or out any more."""
    if _libc.unshare(CLONE_NEWNS) != 0 or _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "a mount namespace of its own")
    # The copy has what tests of others have mounted right now.
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        where = line.split()[4]
        if "/pytest-of-" in where and _libc.umount2(os.fsencode(where), MNT_DETACH) != 0:
            raise OSError(ctypes.get_errno(), "cannot be unmounted", where)


def attach(image: Path) -> str:
    """Put the image on a loop device that nobody else has taken meanwhile; its path."""
    while True:
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        device = f"/dev/loop{number}"
        with contextlib.suppress(FileExistsError):  # without udev nobody else makes the node
            os.mknod(device, stat.S_IFBLK | 0o600, os.makedev(LOOP_MAJOR, number))
        try:
            with open(image, "r+b") as backing, open(device, "r+b", buffering=0) as loop:
                fcntl.ioctl(loop, LOOP_SET_FD, backing.fileno())
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENXIO):
                raise
            continue
        return device


def detach(device: str, image: Path) -> None:
    """Return when the loop device has let go of the image."""
    with open(device, "rb", buffering=0) as loop:
        fcntl.ioctl(loop, LOOP_CLR_FD)
    # Whoever looks at all block devices keeps this one open for a moment, and the kernel waits.
    wait_until(lambda: os.fspath(image) not in _backing_file(device))


def _backing_file(device: str) -> str:
    """The file behind a loop device, as long as it has one."""
    try:
        return (Path("/sys/block") / Path(device).name / "loop/backing_file").read_text()
    except OSError:  # ENOENT, or ENODEV when it goes between the opening and the reading
        return ""


def wait_until(condition: Callable[[], T], what: str = "it", patience: float = PATIENCE) -> T:
    """Return the condition's first true answer; fail when there is none in time."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        pause.wait(0.01)
    return answer
