"""Declared files that are copies: what a copy has and its source has too, no boot takes away."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ..config.placement import SYNC, Placement
from ..kernel import openat2
from ..model import Difference, Verdict
from ..text import to_text
from .rules import Ruling

LARGEST = 64 << 20  # bytes of a file whose content is compared
_FACTS = ("st_size", "st_uid", "st_gid", "st_mode")


class Copies:
    """The copies of one system, whose "/" is mounted at `root`.  Close it, or use it in a `with`."""

    def __init__(self, placements: Iterable[Placement], root: bytes | None) -> None:
        self._sources = {
            one.declaration.path: one.declaration.persist.rstrip(b"/") + one.declaration.path
            for one in placements
            if one.method == SYNC and root is not None
        }
        self._fd = -1
        if self._sources and root is not None:
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
        source = self._sources.get(difference.path)
        if source is None or ruling.verdict is not Verdict.DECLARED:
            return ruling
        try:
            if not is_same(self._fd, difference.path, source):
                return ruling
        except OSError:
            return ruling
        return Ruling(Verdict.PERSISTED, f"a copy of {to_text(source)}, which has the same")


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
