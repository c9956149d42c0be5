"""gitignore patterns, decided as git decides them.

Hard facts
    The last pattern that matches a name wins, but what is below an ignored directory cannot be
    had back: git never looks into it.  pathspec matches whole paths and lets a pattern for a
    directory match what is below as well (its group `ps_d` is the slash after the directory), so
    every level is decided here by itself, from the top.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .lazy import at_first_use

# A fifth of the time that a report takes to start, and most machines have no pattern.
pathspec: Any = at_first_use("pathspec")

_BELOW = "ps_d"
# "a/**" matches at every depth below a by itself; older versions give it the group all the same.
_EVERYTHING = re.compile(r"(?:^|[/!])\*\*\s*$")
# "a/**/" means the directories below a, not a: written as "a/**/*/", pathspec agrees.
_TREES = re.compile(r"(?:\*\*/)+\s*$")


class Pattern:
    """One line of gitignore syntax; ValueError when it can match nothing."""

    __slots__ = ("_below", "_matches", "_only_directories", "include", "text")

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("an empty pattern matches nothing")
        if text.startswith("#"):
            raise ValueError(r"a pattern that begins with # is a comment; \# is the character")
        if any(ord(character) < 0x20 for character in text):
            raise ValueError("a pattern is one line without control characters")
        compiled: Any = pathspec.GitIgnoreSpec.from_lines([_TREES.sub("**/*/", text)]).patterns[0]
        if compiled.include is None or compiled.regex is None:
            raise ValueError("a pattern that matches nothing")
        self.text = text
        self.include: bool = compiled.include
        # Most are anchored; that for any directory is a bare slash.
        self._matches = compiled.regex.finditer
        self._below = _BELOW in compiled.regex.groupindex and not _EVERYTHING.search(text)
        self._only_directories = text.rstrip().endswith("/")

    def matches(self, name: str, directory: bool) -> bool:
        """`name` is relative to the root and has no slash at either end."""
        if self._only_directories:
            if not directory:
                return False
            name += "/"
        return any(not self._below or match.end(_BELOW) in (-1, len(name)) for match in self._matches(name))


class Patterns:
    def __init__(self, lines: Sequence[str]) -> None:
        self._latest_first = [Pattern(line) for line in lines][::-1]
        self._directories: dict[bytes, str | None] = {b"/": None, b"": None}

    def decide(self, path: bytes, directory: bool) -> str | None:
        """The pattern that ignores this absolute path, or None."""
        if not self._latest_first:
            return None
        above = self._directory(path[: path.rfind(b"/")])
        return above if above is not None else self._level(path, directory)

    def _directory(self, path: bytes) -> str | None:
        unknown = []
        while path not in self._directories:
            unknown.append(path)
            path = path[: path.rfind(b"/")]
        decision = self._directories[path]
        for below in reversed(unknown):
            if decision is None:
                decision = self._level(below, True)
            self._directories[below] = decision
        return decision

    def _level(self, path: bytes, directory: bool) -> str | None:
        # In a regular expression a newline ends what is matched; no pattern can name one.
        name = path[1:].decode("utf-8", "surrogateescape").replace("\n", "\r")
        for pattern in self._latest_first:
            if pattern.matches(name, directory):
                return pattern.text if pattern.include else None
        return None
