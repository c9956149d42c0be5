"""What the copier reports: how far it is, and what it could not carry over."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable

from ..errors import Cancelled
from ..lazy import NamedTuple

MOST = 1000  # lost things that are named; of the others there is a count
EVERY = 0.2  # seconds between two reports of progress


class Kind(enum.StrEnum):
    """The kinds of things that a copy lacks."""

    OWNER = "owner"
    MODE = "mode"
    TIMES = "times"
    ATTRIBUTE = "attribute"  # an extended attribute, an ACL, a capability
    FLAGS = "flags"  # of chattr(1), and fs-verity
    LINK = "link"  # two names of one file became two files
    MOUNT = "mount"  # something is mounted there, and it was left out
    SUBVOLUME = "subvolume"  # a nested one became a plain directory
    VANISHED = "vanished"  # it went while the tree was copied


class Lost(NamedTuple):
    """One thing that the copy lacks."""

    path: bytes  # relative to the tree; b"" is the tree itself
    kind: Kind
    detail: str = ""


class Progress(NamedTuple):
    """How much was looked at so far."""

    files: int  # names of any type
    size: int  # bytes of regular files
    seconds: float  # since the beginning


class Result(NamedTuple):
    """A copy that is whole but for what was lost."""

    files: int  # names of any type
    size: int  # bytes of regular files
    shared: int  # how many of these bytes both files share on the disk
    kept: int  # files that an earlier run had copied already
    lost: tuple[Lost, ...] = ()
    lost_more: int = 0  # further ones that are not named


def ignore(progress: Progress) -> None:
    """Take a report of progress that nobody wants."""


def never() -> bool:
    """Return that nobody has cancelled."""
    return False


class Meter:
    """The counts of one run, told from time to time; it raises Cancelled when asked to stop."""

    def __init__(self, tell: Callable[[Progress], None], cancelled: Callable[[], bool]) -> None:
        self.files = self.size = self.shared = self.kept = 0
        self._lost: list[Lost] = []
        self._lost_more = 0
        self._tell = tell
        self._cancelled = cancelled
        self._began = time.monotonic()
        self._next = self._began + EVERY

    def count(self, size: int = 0) -> None:
        """Count a name."""
        self.files += 1
        self.add(size)

    def add(self, size: int) -> None:
        """Count bytes; this is called at least once for each file, and for each piece of a large one."""
        self.size += size
        if self._cancelled():
            raise Cancelled("stopped on the way")
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._tell(self.progress(now))

    def progress(self, now: float) -> Progress:
        return Progress(self.files, self.size, now - self._began)

    def lose(self, path: Iterable[bytes], kind: Kind, detail: str = "") -> None:
        """Note a thing that the copy lacks; `path` are the names that lead to it."""
        if len(self._lost) < MOST:
            self._lost.append(Lost(b"/".join(path), kind, detail))
        else:
            self._lost_more += 1

    def result(self) -> Result:
        self._tell(self.progress(time.monotonic()))
        return Result(self.files, self.size, self.shared, self.kept, tuple(self._lost), self._lost_more)
