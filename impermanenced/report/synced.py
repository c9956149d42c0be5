"""Files that are copies of others: what a copy has and its source has too, no boot takes away.

Of a file with `method = "sync"` the source is its place in the persist volume.  A declared file is made anew
by each boot, as long as nobody has changed it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ..config.given import Given
from ..config.placement import SYMLINK, SYNC, Placement
from ..kernel import openat2
from ..model import Change, Difference, Verdict
from ..text import to_text
from .rules import Ruling

LARGEST = 64 << 20  # bytes of a file whose content is compared
_FACTS = ("st_size", "st_uid", "st_gid", "st_mode")


class Copies:
    """The copies of one system, whose "/" is mounted at `root`.  Close it, or use it in a `with`."""

    def __init__(self, placements: Iterable[Placement], given: Iterable[Given], root: bytes | None) -> None:
        self._given = {one.path: one for one in given if root is not None}
        self._sources = {
            one.declaration.path: one.declaration.persist.rstrip(b"/") + one.declaration.path
            for one in placements
            if one.method == SYNC and root is not None
        }
        self._fd = -1
        if (self._sources or self._given) and root is not None:
            self._fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, difference: Difference, ruling: Ruling) -> Ruling:
        """Return the ruling on a difference, by what the source of a copy has."""
        if (one := self._given.get(difference.path)) is not None:
            return self._declared(one, difference, ruling)
        source = self._sources.get(difference.path)
        if source is None or ruling.verdict is not Verdict.DECLARED:
            return ruling
        try:
            if not is_same(self._fd, difference.path, source):
                return ruling
        except OSError:
            return ruling
        return Ruling(Verdict.PERSISTED, f"a copy of {to_text(source)}, which has the same")

    def _declared(self, one: Given, difference: Difference, ruling: Ruling) -> Ruling:
        """Return the ruling on a declared file; what was changed by hand is lost."""
        if ruling.verdict is not Verdict.CRUD:
            return ruling
        if one.placement.method == SYMLINK:
            holds = difference.target == one.source
        else:
            holds = has_content(self._fd, one.path, one.source)
        if holds and difference.change is not Change.DELETED:
            return Ruling(Verdict.REGENERATED, f"each boot makes it from {to_text(one.source)}")
        words = f"declared by {one.placement.declaration.source}, and changed: impermanence declare --diff"
        return ruling._replace(words=words)


def has_content(root: int, path: bytes, source: bytes) -> bool:
    """Return whether two regular files have the same content; not if one of them cannot be read."""
    try:
        return openat2.read(root, path, LARGEST) == openat2.read(root, source, LARGEST)
    except OSError:
        return False


def is_same(root: int, path: bytes, source: bytes) -> bool:
    """Return whether two files have the same content, owner and mode; not if there is no source.

    Raises FileNotFoundError if there is nothing at `path`, and OSError for a link on the way.
    """
    facts = openat2.facts(root, path)
    try:
        there = openat2.facts(root, source)
    except FileNotFoundError:
        return False
    if any(getattr(facts, name) != getattr(there, name) for name in _FACTS):
        return False
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
        return False
    if facts.st_mtime_ns == there.st_mtime_ns:
        return True
    return openat2.read(root, path, LARGEST) == openat2.read(root, source, LARGEST)
