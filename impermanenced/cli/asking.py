"""Questions on a terminal."""

from __future__ import annotations

import sys

from ..errors import UsageError


def agreed(question: str, hint: str) -> bool:
    """Return whether the person at the terminal says yes.  Raises UsageError if there is none."""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError("nobody to ask whether that may be done", hint)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
