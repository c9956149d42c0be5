"""The files that systemd-tmpfiles and systemd-sysusers make at each boot.

Their own `--cat-config` prints the files that count, in the order in which they count, for any root.
Only what a line itself makes comes back: a directory but not what others put into it, a file while it
holds what the line says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from ...errors import CommandError
from ...lazy import NamedTuple, regex
from ...model import Change, Difference, FileType
from ...system import command

TIMEOUT = 5.0  # seconds
SOURCES = tuple(
    place + b"/" + name for place in (b"etc", b"usr/lib") for name in (b"tmpfiles.d", b"sysusers.d")
)
REMEMBERED = 1 << 14  # directories in the cache
LARGEST = 1 << 20  # bytes of a file whose content is compared

ACCOUNTS = (b"/etc/passwd", b"/etc/group", b"/etc/shadow", b"/etc/gshadow")
_LOCK = b"/etc/.pwd.lock"

_FIELD = regex(rb'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)')
_ESCAPE = regex(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPED = {
    b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"s": b" ",
}  # fmt: skip
_SPECIFIER = regex(rb"%(.?)", re.DOTALL)
# systemd.unit(5), for the system's manager
_SPECIFIERS = {
    b"%": b"%", b"t": b"/run", b"S": b"/var/lib", b"C": b"/var/cache", b"L": b"/var/log", b"T": b"/tmp",
    b"V": b"/var/tmp", b"h": b"/root", b"u": b"root", b"U": b"0", b"g": b"root", b"G": b"0",
}  # fmt: skip

Read = Callable[[bytes, int], bytes]


class Line(NamedTuple):
    """One line of tmpfiles.d(5) that makes something."""

    type: bytes  # one letter
    path: bytes
    argument: bytes

    def __str__(self) -> str:
        return f"{self.type.decode()} {os.fsdecode(self.path)}"


class Tmpfiles:
    """The lines of tmpfiles.d(5) that make something, by path."""

    def __init__(
        self, lines: Mapping[bytes, Line] = MappingProxyType({}), faults: Sequence[str] = ()
    ) -> None:
        self.lines = lines
        self.faults = faults
        self._copies: dict[bytes, Line | None] = {}

    def rule_of(self, difference: Difference, read: Read) -> str | None:
        """Return the line that makes this, in words, or None.

        `read` returns the content of a file, or raises OSError.
        """
        if not self.lines or difference.change is Change.DELETED:
            return None
        path = difference.path
        line = self.lines.get(path)
        if line is not None:
            return f"made by tmpfiles.d: {line}" if _makes(line, difference, read) else None
        directory = path[: path.rfind(b"/")]
        line = self._copies[directory] if directory in self._copies else self._copying(directory)
        if line is None:
            return None
        copied = _copied(_source(line) + path[len(line.path) :], difference, read)
        return f"copied by tmpfiles.d: {line}" if copied else None

    def _copying(self, directory: bytes) -> Line | None:
        """Return the nearest line that copies a tree to this directory or to one above, or None."""
        if len(self._copies) > REMEMBERED:
            self._copies.clear()
        above = directory
        while above:
            line = self.lines.get(above)
            if line is not None and line.type == b"C":
                return self._copies.setdefault(directory, line)
            above = above[: above.rfind(b"/")]
        self._copies[directory] = None
        return None


def _source(line: Line) -> bytes:
    return line.argument or b"/usr/share/factory" + line.path


def _makes(line: Line, difference: Difference, read: Read) -> bool:
    kind, letter = difference.type, line.type
    if letter in b"dDvqQ":
        return kind is FileType.DIRECTORY
    if letter == b"L":
        return kind is FileType.SYMLINK and difference.target == _source(line)
    if letter == b"p":
        return kind is FileType.FIFO
    if letter in b"cb":
        return kind in (FileType.CHAR, FileType.BLOCK)
    if letter in b"fFw":
        return kind is FileType.FILE and _holds(difference, line.argument, read)
    return kind is FileType.DIRECTORY or _copied(_source(line), difference, read)


def _holds(difference: Difference, content: bytes, read: Read) -> bool:
    if difference.size != len(content):
        return False
    try:
        return read(difference.path, LARGEST) == content
    except OSError:
        return False


def _copied(source: bytes, difference: Difference, read: Read) -> bool:
    if difference.type is FileType.DIRECTORY:
        return True
    if difference.type is not FileType.FILE or difference.size > LARGEST:
        return False
    try:
        return read(source, LARGEST + 1) == read(difference.path, LARGEST)
    except OSError:
        return False


def parse(text: bytes) -> dict[bytes, Line]:
    """Yield the lines that make something; of those for one path the first counts (tmpfiles.d(5))."""
    found: dict[bytes, Line] = {}
    for raw in text.split(b"\n"):
        if not raw.strip() or raw.lstrip().startswith(b"#"):
            continue
        words = [_unquoted(match) for match in _FIELD.finditer(raw)]
        if len(words) < 2 or words[0][:1] not in b"fFwdDvqQpLcbC" or not words[0]:
            continue
        if words[0][:1] == b"w":  # writes to an existing file, and makes nothing
            continue
        path = _expanded(words[1])
        # The argument is the rest of the line, spaces and all.
        rest = [match.start() for match in _FIELD.finditer(raw)]
        argument = _expanded(_unescaped(raw[rest[6] :].rstrip())) if len(rest) > 6 else b""
        if path is None or argument is None or not path.startswith(b"/"):
            continue
        path = path.rstrip(b"/") or b"/"
        found.setdefault(path, Line(words[0][:1], path, b"" if argument == b"-" else argument))
    return found


def _unquoted(match: re.Match[bytes]) -> bytes:
    return _unescaped(next(group for group in match.groups() if group is not None))


def _unescaped(raw: bytes) -> bytes:
    def character(match: re.Match[bytes]) -> bytes:
        if match[1] is not None:
            return bytes([int(match[1], 16)])
        if match[2] is not None:
            return bytes([int(match[2], 8) & 0xFF])
        return _ESCAPED.get(match[3], match[3])

    return _ESCAPE.sub(character, raw)


def _expanded(raw: bytes) -> bytes | None:
    """Return the text with its specifiers replaced, or None if one has a value of this boot or
    this machine.
    """
    if any(match[1] not in _SPECIFIERS for match in _SPECIFIER.finditer(raw)):
        return None
    return _SPECIFIER.sub(lambda match: _SPECIFIERS[match[1]], raw)


def ask(root: bytes) -> Tmpfiles:
    """Return the lines that count for the system at this root, and what could not be asked, in words."""
    text, fault = _cat("systemd-tmpfiles", root)
    return Tmpfiles(parse(text), [fault] if fault else [])


def _cat(program: str, root: bytes) -> tuple[bytes, str]:
    where: list[bytes | str] = [] if root == b"/" else [b"--root=" + root]
    try:
        return command.run([program, "--cat-config", *where], timeout=TIMEOUT), ""
    except CommandError as error:
        return b"", error.message


class Sysusers(NamedTuple):
    """The accounts that systemd-sysusers makes."""

    names: frozenset[bytes]
    faults: Sequence[str] = ()

    def rule_of(self, difference: Difference, read: Read, read_blank: Read) -> str | None:
        """Return a reason if this is a file of accounts that differs from the blank's by such accounts alone,
        or None.
        """
        path = difference.path
        if path == _LOCK and difference.size == 0:
            return "the lock of systemd-sysusers"
        account = path.rstrip(b"-")
        if account not in ACCOUNTS or difference.change is Change.DELETED:
            return None
        try:
            now = _by_name(read(path, LARGEST))
        except OSError:
            return None
        try:
            before = _by_name(read_blank(account, LARGEST))
        except OSError:
            before = {}
        apart = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        return "differs by the accounts that sysusers.d makes" if apart <= self.names else None


def _by_name(content: bytes) -> Mapping[bytes, bytes]:
    return {line.partition(b":")[0]: line for line in content.split(b"\n") if line}


def ask_sysusers(root: bytes) -> Sysusers:
    """Return the accounts of the system at this root, and what could not be asked, in words."""
    text, fault = _cat("systemd-sysusers", root)
    names = set()
    for raw in text.split(b"\n"):
        words = [_unquoted(match) for match in _FIELD.finditer(raw)]
        if len(words) > 1 and words[0][:1] in (b"u", b"g", b"m"):
            names |= set(words[1:3] if words[0] == b"m" else words[1:2])
    return Sysusers(frozenset(names), [fault] if fault else [])
