"""The patterns of `[watch] ignore`, decided as git decides them.

The last pattern that matches a name wins, but nothing below an ignored directory can be included again: git
never looks into it.  So every level of a path is decided by itself, from the top.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from ..paths import Inherited
from . import gitignore

MAX_PATTERN = 4096


class Pattern:
    """One line of gitignore syntax; the constructor raises ValueError if the line can match nothing."""

    __slots__ = ("_matches", "expression", "include", "only_directories", "text")

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("an empty pattern matches nothing")
        if text.startswith("#"):
            raise ValueError(r"a pattern that begins with # is a comment; \# is the character")
        if any(ord(character) < 0x20 for character in text):
            raise ValueError("a pattern is one line without control characters")
        if len(text) > MAX_PATTERN:
            raise ValueError(f"a pattern of {len(text)} characters is longer than {MAX_PATTERN}")
        self.text = text
        self.include = not text.startswith("!")
        raw = _without_spaces(text).encode("utf-8", "surrogateescape").removeprefix(b"!")
        self.only_directories = raw.endswith(b"/")
        if self.only_directories:
            raw = raw[:-1]
        if not raw:
            raise ValueError("a pattern that matches nothing")
        self.expression = gitignore.expression(raw)
        self._matches = re.compile(self.expression, re.DOTALL).fullmatch

    def matches(self, name: bytes, directory: bool) -> bool:
        """Return whether the pattern matches `name`, a path from the root without a slash at either end."""
        return (directory or not self.only_directories) and self._matches(name) is not None


def _without_spaces(text: str) -> str:
    """Return the line without the spaces at its end, unless a backslash keeps one."""
    kept = text.rstrip(" ")
    escaped = (len(kept) - len(kept.rstrip("\\"))) % 2
    return text[: len(kept) + escaped]


class Patterns:
    """All patterns of a configuration, the last of which decides."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._latest_first = [Pattern(line) for line in lines][::-1]
        self._directories: Inherited[str | None] = Inherited(
            None, functools.partial(_of_directory, self._latest_first)
        )
        # Most names match no pattern at all, so one expression asks all patterns at once.
        of_files = [one.expression for one in self._latest_first if not one.only_directories]
        self._file = re.compile(b"|".join(b"(?:%s)" % one for one in of_files), re.DOTALL).fullmatch
        self._files = bool(of_files)

    def decide(self, path: bytes, directory: bool) -> str | None:
        """Return the text of the pattern that ignores this absolute path, or None."""
        if not self._latest_first:
            return None
        decision = self._directories[path[: path.rfind(b"/")]]
        if decision is not None:
            return decision
        if not directory and (not self._files or self._file(path, 1) is None):
            return None
        return _decide(self._latest_first, path, directory)


def _of_directory(latest_first: Sequence[Pattern], decision: str | None, path: bytes) -> str | None:
    """Return the pattern that ignores a directory; `decision` is that of the one above it."""
    return _decide(latest_first, path, True) if decision is None else decision


def _decide(latest_first: Sequence[Pattern], path: bytes, directory: bool) -> str | None:
    name = path[1:]
    for pattern in latest_first:
        if pattern.matches(name, directory):
            return pattern.text if pattern.include else None
    return None
