"""The locks that a set-up holds: no second one runs, and no package manager changes what is copied."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from ..errors import ImpermanenceError
from ..volumes.machine import Machine

# As dpkg(1) and apt(8) hold them while they run: record locks.
_DPKG = (b"/var/lib/dpkg/lock-frontend", b"/var/lib/dpkg/lock")
_PACMAN = b"/var/lib/pacman/db.lck"  # there while pacman(8) runs


@contextlib.contextmanager
def held(machine: Machine) -> Iterator[None]:
    """Hold the locks.  Raises ImpermanenceError if somebody else does."""
    with contextlib.ExitStack() as stack:
        fd = os.open(machine.at(b"."), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImpermanenceError("another setup is on its way", "wait for it") from None
        for path in _DPKG:
            with contextlib.suppress(FileNotFoundError):
                lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                stack.callback(os.close, lock)
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except (BlockingIOError, PermissionError):
                    raise _busy() from None
        if os.path.lexists(_PACMAN):
            raise _busy()
        yield


def _busy() -> ImpermanenceError:
    return ImpermanenceError(
        "a package manager is running: what it changes meanwhile might be in no blank",
        "run this again when it has finished",
    )
