"""The way out: what is written, how wide and in which colour, and what is complained of."""

from __future__ import annotations

import os
import sys

from ..text import to_text
from .verb import Shared

UNCUT = 1 << 16  # columns


class Style:
    """Colour adds nothing that the words do not say."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._color else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._color else text


def style(shared: Shared) -> Style:
    if shared.color != "auto":
        return Style(color=shared.color == "always")
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(color=wanted and _is_terminal())


def columns() -> int:
    """Return the width to write for.

    A file or a program gets everything: what is cut cannot be searched."""
    try:
        return os.get_terminal_size(1).columns or 80 if _is_terminal() else int(os.environ["COLUMNS"])
    except KeyError:
        return UNCUT
    except (OSError, ValueError):
        return 80


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def write(text: str) -> None:
    if sys.stdout is not None:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def write_now(text: str) -> None:
    """Write and flush, so that long work shows how far it is, also where the output is a file."""
    write(text)
    if sys.stdout is not None:
        sys.stdout.flush()


def write_long(text: str, shared: Shared) -> None:
    """Write, by a pager where a person reads it."""
    if shared.pager and _is_terminal():
        from . import pager

        if pager.page(text):
            return
    write(text)


def complain(message: str, hint: str | None = None) -> None:
    if sys.stderr is not None:
        lines = [f"impermanence: {message}"] + ([f"hint: {hint}"] if hint else [])
        # A message may carry what was typed, and a terminal obeys what it is sent.
        sys.stderr.write("".join(f"{_printable(line)}\n" for line in lines))


def file_name(name: object) -> str:
    """Return the text for what an OSError calls a file: a path, or the number of a descriptor."""
    return to_text(os.fsencode(name)) if isinstance(name, str | bytes) else str(name)


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
