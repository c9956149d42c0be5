"""The lock of whoever makes, promotes or deletes releases: one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from ..errors import ImpermanenceError, NotSetUp
from ..state import RELEASES, STAGING, STATE
from ..text import to_text
from ..volumes.machine import Machine


@contextlib.contextmanager
def held(machine: Machine) -> Iterator[None]:
    """Hold the lock, and make the directory of the records if it is missing.

    Raises NotSetUp without a state directory, and ImpermanenceError if another process has the lock.
    """
    if not machine.has_state():
        raise NotSetUp(f"there is no {to_text(STATE)}: this machine is not set up", "impermanence setup")
    for path in (STAGING, RELEASES):
        with contextlib.suppress(FileExistsError):
            os.mkdir(machine.at(path), 0o700)
    fd = os.open(machine.at(RELEASES), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImpermanenceError(
                "another update, or another change of the blank, is at work", "wait for it to end"
            ) from None
        yield
    finally:
        os.close(fd)
