"""The Nix language: strings, names, attribute sets and lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...lazy import regex
from .writing import unspeakable

_NAME = regex(r"[A-Za-z_][A-Za-z0-9_'-]*")
_KEYWORDS = frozenset(["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"])
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def why_not(raw: bytes) -> str | None:
    """Return why Nix cannot express a name, or None."""
    return unspeakable(raw, escapes="\n\r\t")


def string(text: str) -> str:
    """Return a string."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return '"' + escaped.replace("${", "\\${") + '"'


def name(word: str) -> str:
    """Return the name of an attribute."""
    return word if _NAME.fullmatch(word) and word not in _KEYWORDS else string(word)


def value(found: object) -> str:
    """Return a value on one line."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, Mapping):
        return "{ " + " ".join(f"{name(key)} = {value(one)};" for key, one in found.items()) + " }"
    if isinstance(found, list | tuple):
        return "[ " + " ".join(map(value, found)) + " ]"
    return string(str(found))


def several(key: str, items: Iterable[str], indent: str) -> list[str]:
    """Return a list with one item a line, or nothing for no items."""
    lines = [f"{indent}  {item}" for item in items]
    return [f"{indent}{key} = [", *lines, f"{indent}];"] if lines else []
