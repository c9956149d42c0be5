"""What the tests of races have in common: how often they try, and a user who never rests.

RACES=100000 tries that often; the number in `make test` is small.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from impermanenced.kernel import libc

ALICE = 1000


def tries(few: int) -> int:
    """How often a race is run: so few times, or what is asked for."""
    return int(os.environ.get("RACES", few))


@contextlib.contextmanager
def exchanging(directory: Path, *pairs: tuple[bytes, bytes]) -> Iterator[None]:
    """As alice: what two paths below a directory lead to changes places, pair by pair, until the body ends.

    First at once, and back by way of a third name, so that one of both is missing for a moment.
    """
    below = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)  # no other user gets to the tests' directory
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(ALICE, ALICE, ALICE)
            os.setresuid(ALICE, ALICE, ALICE)
            while True:
                for one, other in pairs:
                    _exchange(below, one, other)
        finally:
            os._exit(1)
    os.close(below)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the attacker was at work to the end"


def _exchange(below: int, one: bytes, other: bytes) -> None:
    away = os.path.dirname(one) + b"/away"
    with contextlib.suppress(OSError):
        libc.renameat2(below, one, below, other, libc.RENAME_EXCHANGE)
    for name, becomes in ((one, away), (other, one), (away, other)):
        with contextlib.suppress(OSError):
            libc.renameat2(below, name, below, becomes, libc.RENAME_NOREPLACE)
    with contextlib.suppress(OSError):  # what was made anew while the name was missing
        os.rmdir(away, dir_fd=below)
