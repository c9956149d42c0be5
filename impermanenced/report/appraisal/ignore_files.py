"""Ignore files of git, as a project has them: what anybody may have written, so everything is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...config.ignore import Pattern
from ...lazy import NamedTuple
from ...text import to_text

LARGEST = 64 << 10  # bytes of an ignore file
MOST_LINES = 1000  # patterns of one


class IgnoreFile(NamedTuple):
    """The patterns of one file."""

    directory: bytes  # what they are relative to
    file: str  # for a person
    patterns: tuple[Pattern, ...]  # the latest first, as the last that matches decides
    any: re.Pattern[bytes] | None  # all at once: most names match none

    def decide(self, path: bytes, directory: bool) -> str | None:
        """Return the file and the line that ignore a path, or None if no line matches; "" if the last that
        does includes it again.
        """
        name = path[len(self.directory) + 1 :]
        if self.any is None or self.any.fullmatch(name) is None:
            return None
        for pattern in self.patterns:
            if pattern.matches(name, directory):
                return f"{self.file}, {pattern.text}" if pattern.include else ""
        return None


def parse(
    directory: bytes, file: bytes, content: bytes, say: Callable[[str], None], most: int = MOST_LINES
) -> IgnoreFile:
    """Return what an ignore file says.

    One with more than `most` lines, or that is too large, counts as empty; `say` is told of it, in words.
    """
    shown = to_text(file)
    patterns: list[Pattern] = []
    lines = content.split(b"\n")
    if len(content) > LARGEST or len(lines) > min(most, MOST_LINES):
        say(f"{shown}: too large, or one of too many, for what it ignores to count")
        lines = []
    for line in lines:
        text = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
        if not text.strip() or text.startswith("#"):
            continue
        try:
            patterns.append(Pattern(text))
        except ValueError:  # git ignores such a line too
            continue
    one = b"|".join(b"(?:%s)" % pattern.expression for pattern in patterns)
    return IgnoreFile(
        directory, shown, tuple(reversed(patterns)), re.compile(one, re.DOTALL) if patterns else None
    )
