"""The changes within text files, as diff(1) shows them with -u."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterator

from ..boots.compared import Compared
from ..kernel import openat2
from ..model import Change, Difference, FileType
from ..text import size_to_text, to_text

LARGEST = 1 << 20  # bytes of a file that is shown
LINES = 20_000  # of one file: comparing takes the square of them


def lines(compared: Compared, difference: Difference) -> Iterator[str]:
    """Yield the lines of one difference; those of a file that is no text, or too large, say so.

    Content is anybody's: what a terminal would obey is escaped.
    """
    path = to_text(difference.path)
    yield f"{difference.letters} {path}"
    if difference.type not in (FileType.FILE, FileType.SYMLINK) or difference.change is Change.METADATA:
        return
    inside = compared.volume.inside(difference.path)
    was = b"" if difference.change is Change.CREATED else _content(compared.was_fd, inside)
    now = b"" if difference.change is Change.DELETED else _content(compared.now_fd, inside)
    old, new = _text(was), _text(now)
    if old is None or new is None:
        yield f"  {_why(was if old is None else now, difference.size)}"
        return
    found = difflib.unified_diff(old, new, f"a{path}", f"b{path}", lineterm="")
    yield from map(_printable, found)


def _content(fd: int | None, path: bytes) -> bytes | None:
    """Return the content of a file, the target of a link, b"" of anything else, or None of what cannot be
    read.
    """
    if fd is None:
        return b""
    try:
        found = openat2.open_path(fd, path)
        try:
            if stat.S_ISLNK(os.fstat(found).st_mode):
                return b"-> " + os.readlink(b"", dir_fd=found)
            return openat2.read_descriptor(found, LARGEST + 1)
        finally:
            os.close(found)
    except OSError:
        return None


def _text(content: bytes | None) -> list[str] | None:
    """Return the lines of a text, or None of what is none."""
    if content is None or len(content) > LARGEST or b"\0" in content:
        return None
    try:
        found = content.decode().split("\n")
    except UnicodeDecodeError:
        return None
    if found[-1] == "":
        found.pop()
    return found if len(found) <= LINES else None


def _why(content: bytes | None, size: int) -> str:
    if content is None:
        return "cannot be read, or is no file at both moments"
    if b"\0" in content or len(content) <= LARGEST:
        return f"no text, or too many lines: {size_to_text(size)}"
    return f"not shown: larger than {size_to_text(LARGEST)}"


def _printable(line: str) -> str:
    if line.replace("\t", " ").isprintable():
        return line
    return "".join(one if one.isprintable() or one == "\t" else ascii(one)[1:-1] for one in line)
