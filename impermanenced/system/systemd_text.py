r"""Paths in the files that systemd reads: names of units, values of settings, and lines of tmpfiles.d(5).

Hard facts
    A unit file and tmpfiles.d are UTF-8; a value ends with its line, at \n as well as at \r, without the
    blanks at its end, and a backslash there joins the next line.  Nothing in What= and Where= is unquoted.
    A name of a unit has at most 255 characters.
    The path of a line of tmpfiles.d is unquoted, and a backslash there stands for the character behind it;
    252 does not know \xNN.  The argument is unescaped as C, but not unquoted.
    Both expand specifiers: a percent sign is written twice.
"""

from __future__ import annotations

import string

from ..lazy import regex
from ..text import to_text

LONGEST_UNIT = 255

_PLAIN_NAME = (string.ascii_letters + string.digits + ":_.").encode()
_PLAIN_WORD = regex(r"[^\s\"'\\]+")


def unit_name(path: bytes, kind: str = "mount") -> str:
    """Return the name of the unit for a path, as systemd-escape(1) --path makes it."""
    words = path.strip(b"/")
    parts = []
    for place, byte in enumerate(words):
        if byte == ord("/"):
            parts.append("-")
        elif byte in _PLAIN_NAME and not (place == 0 and byte == ord(".")):
            parts.append(chr(byte))
        else:
            parts.append(f"\\x{byte:02x}")
    return f"{''.join(parts) or '-'}.{kind}"


def unspeakable(path: bytes) -> str | None:
    """Return why neither a unit nor a line of tmpfiles.d can have a path, or None."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8, which systemd does not read"
    if to_text(path.replace(b"\\", b"")) != text.replace("\\", ""):
        return "its name has a character that cannot be seen"
    if text != text.rstrip() or text.endswith("\\"):
        return "its name ends with a blank or a backslash, which systemd takes off"
    return None


def value(path: bytes) -> str:
    """Return a path as the value of a setting; it must not be unspeakable."""
    return path.decode().replace("%", "%%")


def word(path: bytes) -> str:
    """Return a path as one word: in a list such as RequiresMountsFor=, or as the path of a line of
    tmpfiles.d.

    It must not be unspeakable.
    """
    text = value(path)
    if _PLAIN_WORD.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def argument(path: bytes) -> str:
    """Return a path as the last field of a line of tmpfiles.d."""
    text = value(path).replace("\\", "\\\\")
    return text if text == text.strip(" ") else text.replace(" ", r"\x20")
