r"""Paths, times and sizes as text, and paths back to bytes.

A path in text has control characters, backslashes and bytes that are not UTF-8 as `\xNN`, so
that one path is one word on one line and reads back exactly.
"""

from __future__ import annotations

import datetime
import functools
import math
import os
from collections.abc import Sequence

from .errors import ImpermanenceError, UsageError
from .lazy import regex

_BY_DESCRIPTOR = regex(rb"/proc/(?:self|[0-9]+)/fd/[0-9]+(?:/|$)")
_ESCAPED = regex(rb"\\x([0-9a-f]{2})")
_KNOWN = 5000  # characters whose escape is remembered


def to_text(raw: bytes) -> str:
    """Return the one printable word for these bytes.

    Characters that Unicode calls printable stay.  Escaped are the backslash, and whatever cannot be seen or
    told from a space: control and format characters, separators, unassigned ones, bytes that are not UTF-8.
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


class _Escapes(dict[int, int | str]):
    """The table of `str.translate`, which grows with the characters that come: one pass in C, whatever the
    text is made of.
    """

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        escape: int | str = code
        if not character.isprintable() or character == "\\":
            raw = character.encode("utf-8", "surrogateescape")
            escape = "".join(f"\\x{byte:02x}" for byte in raw)
        if len(self) < _KNOWN:
            self[code] = escape
        return escape


_ESCAPES = _Escapes()


def from_text(text: str) -> bytes:
    """Return the bytes of a text that `to_text` made.  Raises UsageError if it cannot have."""
    raw = text.encode("utf-8", "surrogateescape")
    if _ESCAPED.sub(b"", raw).find(b"\\") >= 0:
        raise UsageError(f"{to_text(raw)}: a backslash stands only in \\xNN", r"write \x5c for a backslash")
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw)


def time_to_text(seconds: float | None) -> str | None:
    """Return seconds since 1970 as RFC 3339 in local time with its offset, or None for None."""
    return None if seconds is None else _second_to_text(math.floor(seconds))


@functools.lru_cache(maxsize=10_000)  # files that one program writes have few different seconds
def _second_to_text(second: int) -> str:
    try:
        return datetime.datetime.fromtimestamp(second, datetime.UTC).astimezone().isoformat()
    except (OverflowError, ValueError, OSError):  # a file may carry any 64-bit time
        return datetime.datetime.fromtimestamp(0, datetime.UTC).isoformat()


def size_to_text(size: int) -> str:
    """Return a number of bytes in binary units."""
    if size < 1024:
        return f"{size} B"
    value, units = size / 1024, iter(("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"))
    unit = next(units)
    while value >= 1023.95:
        value, unit = value / 1024, next(units)
    return f"{value:.1f} {unit}"


def first_of(paths: Sequence[bytes], most: int) -> str:
    """Return the first `most` of some paths, and how many more there are."""
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join(to_text(path) for path in paths[:most]) + more


def file_to_text(name: object) -> str:
    """Return what an OSError calls a file: a path, or the number of a descriptor.

    What was opened by way of a descriptor of the top level is named from there, as a person knows it.
    """
    if not isinstance(name, str | bytes):
        return str(name)
    return to_text(_BY_DESCRIPTOR.sub(b"", os.fsencode(name), count=1)) or "the filesystem"


def failure_to_text(error: BaseException) -> str:
    """Return what an error says, in one line: an OSError's files and the reason."""
    if isinstance(error, ImpermanenceError):
        return error.message
    if isinstance(error, OSError):
        files = [file_to_text(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*files, error.strerror or str(error)])
    return str(error)
