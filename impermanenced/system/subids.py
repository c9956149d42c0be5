"""The login user that a subordinate uid belongs to (subuid(5)).

A user may act as each uid of the ranges that /etc/subuid gives it, 65,536 as a rule.  So a share for each uid
would be as many shares for one user.  What the kernel knows besides (the login uid of a process, its control
group) can be asked only by the number of a process, which another process may have got by then; a uid is told
by the bus.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ..lazy import NamedTuple

LARGEST = 1 << 20  # bytes of either file that are read
FRESH = 5.0  # seconds for which the files are taken for what they were
KNOWN = 10_000  # uids whose owner is remembered
BLOCK = 1 << 16  # uids that a container has as a rule: one owner, where no range says more

_UID_MAX = 2**32 - 2


class _Range(NamedTuple):
    first: int
    end: int
    owner: int


class SubordinateIds:
    """The ranges of `subuid` in a directory, read again when that file or `passwd` changes."""

    def __init__(self, directory: str = "/etc", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked: float | None = None
        self._owners: dict[int, int] = {}
        self._files = tuple(os.path.join(directory, name) for name in ("passwd", "subuid"))
        self._seen: tuple[tuple[int, int, int] | None, ...] | None = None
        self._accounts: frozenset[int] = frozenset()
        self._ranges: tuple[_Range, ...] = ()

    def owner(self, uid: int) -> int:
        """Return the uid of the user whose range has this one.

        An account is its own owner.  A uid in no range belongs to the first of its block of 65,536, but in
        the first block uids are their own.  The first uid of a range stands for root, and for a user who
        is not in `passwd`.
        """
        now = self._clock()
        if self._looked is None or not 0 <= now - self._looked < FRESH:
            self._looked = now
            self._renew()
        found = self._owners.get(uid)
        if found is None:
            if len(self._owners) >= KNOWN:
                self._owners = {}
            found = self._owners[uid] = self._find(uid)
        return found

    def _find(self, uid: int) -> int:
        if uid == 0 or uid in self._accounts:
            return uid
        apart = uid if uid < BLOCK else uid - uid % BLOCK
        return next((one.owner for one in self._ranges if one.first <= uid < one.end), apart)

    def _renew(self) -> None:
        seen = tuple(_version(file) for file in self._files)
        if seen == self._seen:
            return
        accounts = dict(_accounts(_lines(self._files[0])))
        self._accounts = frozenset(accounts.values())
        self._ranges = tuple(_ranges(_lines(self._files[1]), accounts))
        self._owners = {}
        self._seen = seen  # last: another thread may ask meanwhile


def _version(file: str) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(file)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _lines(file: str) -> list[list[bytes]]:
    try:
        with open(file, "rb") as stream:
            content = stream.read(LARGEST)
    except OSError:
        return []
    return [line.split(b":") for line in content.split(b"\n")]


def _accounts(lines: list[list[bytes]]) -> list[tuple[bytes, int]]:
    return [(words[0], uid) for words in lines if len(words) == 7 and (uid := _number(words[2])) is not None]


def _ranges(lines: list[list[bytes]], accounts: dict[bytes, int]) -> list[_Range]:
    found = []
    for words in lines:
        if len(words) != 3:
            continue
        first, count = _number(words[1]), _number(words[2])
        if first and count:
            # Root's ranges are for containers, which are not root.
            owner = accounts.get(words[0], _number(words[0])) or first
            found.append(_Range(first, first + count, owner))
    return found


def _number(word: bytes) -> int | None:
    """Return a uid or a number of uids, or None for anything else."""
    if not word.isdigit() or len(word) > 10:
        return None
    number = int(word)
    return number if number <= _UID_MAX else None
