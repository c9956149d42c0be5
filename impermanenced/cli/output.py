"""The output: text, its width and colour, and complaints."""

from __future__ import annotations

import os
import sys

from .verb import Shared

UNCUT = 1 << 16  # columns
WAITING_EACH = 10.0  # seconds between two lines that say what is waited for


class Style:
    """The colours; they add nothing that the words do not say."""

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
    """Return the width of the output; a file or a program gets everything, so that it can be searched."""
    try:
        return os.get_terminal_size(1).columns or 80 if _is_terminal() else int(os.environ["COLUMNS"])
    except KeyError:
        return UNCUT
    except (OSError, ValueError):
        return 80


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def write(text: str) -> None:
    """Write text; characters that the encoding lacks are escaped."""
    if sys.stdout is not None:
        if not text.isascii():
            encoding = sys.stdout.encoding or "ascii"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        sys.stdout.write(text)


def write_bytes(content: bytes) -> None:
    """Write bytes as they are, for a program."""
    if sys.stdout is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)


def write_now(text: str) -> None:
    """Write text at once, even to a file, so that long work shows its progress."""
    write(text)
    if sys.stdout is not None:
        sys.stdout.flush()


def write_long(text: str, shared: Shared) -> None:
    """Write text, by a pager if it goes to a terminal."""
    if shared.pager and _is_terminal():
        from . import pager

        if pager.page(text):
            return
    write(text)


def complain(message: str, hint: str | None = None) -> None:
    """Write a message and a hint to stderr."""
    if sys.stderr is not None:
        lines = [f"impermanence: {message}"] + ([f"hint: {hint}"] if hint else [])
        # A message may contain what was typed, and a terminal obeys control characters.
        sys.stderr.write("".join(f"{_printable(line)}\n" for line in lines))


class Line:
    """The line on stderr that says what long work is at: on a terminal one that is written over, elsewhere
    a few.
    """

    def __init__(self) -> None:
        self._shown = False
        self._next = WAITING_EACH

    def show(self, words: str, seconds: float) -> None:
        """Show the words, so many seconds after the work began; "" leaves what another line shows."""
        stream = sys.stderr
        if stream is None or not words:
            return
        if stream.isatty():
            stream.write(f"\r\x1b[K{_printable(words)}")
            stream.flush()
            self._shown = True
        elif seconds >= self._next:
            self._next += WAITING_EACH
            stream.write(f"impermanence: {_printable(words)}\n")

    def end(self) -> None:
        """Take the line away from the terminal."""
        if self._shown and sys.stderr is not None:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._shown = False
        self._next = WAITING_EACH


_waiting = Line()


def over(words: str) -> None:
    """Write words over the present line of the terminal; "" clears it."""
    if sys.stderr is not None:
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()


def wait(seconds: float | None) -> None:
    """Show that the daemon is waited for, so many seconds by now; None: no longer."""
    if seconds is None:
        _waiting.end()
    else:
        _waiting.show(f"impermanenced makes the report, {seconds:.0f} s so far", seconds)


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
