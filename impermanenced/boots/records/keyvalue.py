"""A file of KEY=value lines, which is understood as a whole or refused; the package describes the form."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from typing import TypeVar

from ... import state
from ...errors import RecordError
from ...lazy import regex
from ...text import to_text

VERSION = 1
LARGEST = 65536  # bytes; a shell reads these files line by line

# Regular expressions of values.
UUID = regex(state.UUID)
NUMBER = regex(state.BOOT_NUMBER)
TIME = regex(r"0|[1-9][0-9]{0,11}")
NAME = regex(state.VOLUME_NAME)
LONG_NUMBER = regex(r"0|[1-9][0-9]{0,17}")
WORD = regex(r"[A-Za-z0-9-]{1,64}")

_LINE = regex(rb"([A-Z_]+)=((?:[ -$&-~]|%(?:0[1-9A-F]|1[0-9A-F]|25|7F|[89A-F][0-9A-F]))*)")
_ESCAPE = regex(rb"%([0-9A-F]{2})")
_UNSAFE_BYTE = regex(rb"[^ -$&-~]")
# Names that a shell or a terminal could take for something else; the hook refuses them.
_UNSAFE_PATH = regex(rb"""[\x00-\x1f\x7f"'`$\\*?\[\](){}<>|&;!#]""")

T = TypeVar("T")


def read(path: bytes, name: bytes, *, dir_fd: int | None = None) -> bytes:
    """Return the content of one of these files, read as the hook would.

    Raises FileNotFoundError, and RecordError about `name`.  A file that is too large to be parsed gives more
    than LARGEST bytes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{to_text(name)}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise RecordError(f"{to_text(name)}: not a regular file")
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(LARGEST + 1)
    finally:
        os.close(fd)


def escape(raw: bytes) -> bytes:
    """Return a value as the file writes it."""
    return _UNSAFE_BYTE.sub(lambda match: b"%%%02X" % match[0][0], raw)


def _unescape_byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)])


def path_fault(path: bytes) -> str | None:
    """Return why the hook would not take this path from the top level, or None if it would."""
    if not path:
        return "is empty"
    if _UNSAFE_PATH.search(path):
        return "has a control character or one that means something to a shell"
    if path.startswith(b"-"):
        return "starts with a dash"
    if any(part in {b"", b".", b".."} for part in path.split(b"/")):
        return "is not a plain path from the top level"
    if path.split(b"/")[0] == state.STATE:
        return "lies in the state directory"
    return None


class Fields:
    """The fields of a file, or of one volume in it: each is taken once, and none may be left."""

    def __init__(self, path: bytes, fields: list[tuple[str, bytes, int]]) -> None:
        """Take the fields as (key, value, number of the line)."""
        self.path = path
        self.fields = fields

    def error(self, words: str, line: int | None = None) -> RecordError:
        """Return an error with the place of a line."""
        place = to_text(self.path) if line is None else f"{to_text(self.path)}:{line}"
        return RecordError(f"{place}: {words}")

    def many(self, key: str) -> list[tuple[bytes, int]]:
        """Take all fields with this key, as (value, number of the line)."""
        found = [(value, line) for name, value, line in self.fields if name == key]
        self.fields = [field for field in self.fields if field[0] != key]
        return found

    def one(self, key: str) -> tuple[bytes, int] | None:
        """Take the one field with this key, or None.  Raises RecordError for a second one."""
        found = self.many(key)
        if len(found) > 1:
            raise self.error(f"{key} for the second time", found[1][1])
        return found[0] if found else None

    def text(self, key: str, pattern: re.Pattern[str], words: str) -> str | None:
        """Take a value that the pattern matches, or None; `words` say what it should be.  Raises
        RecordError.
        """
        found = self.one(key)
        if found is None:
            return None
        text = found[0].decode("ascii", "replace")
        if not pattern.fullmatch(text):
            raise self.error(f"{key} is not {words}", found[1])
        return text

    def number(self, key: str, pattern: re.Pattern[str] = NUMBER) -> int | None:
        """Take a whole number, or None.  Raises RecordError."""
        text = self.text(key, pattern, "a number")
        return None if text is None else int(text)

    def uuid(self, key: str) -> str | None:
        """Take a UUID in lower case, or None.  Raises RecordError."""
        return self.text(key, UUID, "a UUID in lower case")

    def optional_choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        """Take one of these words, or None.  Raises RecordError."""
        pattern = re.compile("|".join(re.escape(choice) for choice in choices))
        return self.text(key, pattern, f"one of {', '.join(choices)}")

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Take one of these words.  Raises RecordError."""
        return self.need(key, self.optional_choice(key, choices))

    def path_or_empty(self, key: str) -> bytes | None:
        """Take a path from the top level, b"", or None.  Raises RecordError."""
        found = self.one(key)
        if found is None:
            return None
        fault = path_fault(found[0]) if found[0] else None
        if fault is not None:
            raise self.error(f"{key} {fault}", found[1])
        return found[0]

    def plain_path(self, key: str) -> bytes | None:
        """Take a path from the top level, or None.  Raises RecordError."""
        path = self.path_or_empty(key)
        if path == b"":
            raise self.error(f"{key} is empty")
        return path

    def need(self, key: str, value: T | None) -> T:
        """Return the value, or raise RecordError if it is None."""
        if value is None:
            raise self.error(f"{key} is missing")
        return value

    def finish(self) -> None:
        """Raise RecordError if a field is left."""
        for key, _, line in self.fields:
            raise self.error(f"unknown key {key} here", line)


def split(content: bytes, path: bytes) -> tuple[Fields, list[Fields]]:
    """Return the fields before the first VOLUME, and those of each volume.  Raises RecordError."""
    head = Fields(path, [])
    volumes: list[Fields] = []
    if not content:
        raise head.error("the file is empty")
    if len(content) > LARGEST:
        raise head.error(f"larger than {LARGEST} bytes")
    if not content.endswith(b"\n"):
        raise head.error("the last line has no end")
    for number, line in enumerate(content[:-1].split(b"\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise head.error("not KEY=value", number)
        key, value = match[1].decode(), _ESCAPE.sub(_unescape_byte, match[2])
        if number == 1:
            if (key, value) != ("VERSION", b"1"):
                raise head.error("does not begin with VERSION=1: not a file of this version", number)
            continue
        if key == "VOLUME":
            volumes.append(Fields(path, []))
        (volumes[-1] if volumes else head).fields.append((key, value, number))
    return head, volumes


def line(key: str, value: bytes | str | int | None) -> list[bytes]:
    """Return the line of a key, or no line for None: the reader's default is the same."""
    if value is None:
        return []
    raw = value if isinstance(value, bytes) else str(value).encode()
    return [key.encode() + b"=" + escape(raw) + b"\n"]


def assemble(lines: Iterable[list[bytes]], parse: Callable[[bytes], object]) -> bytes:
    """Return the file's bytes, after proving that they can be read."""
    content = b"".join(piece for line in [line("VERSION", VERSION), *lines] for piece in line)
    parse(content)
    return content
