"""Wildcards in one component, and an index that asks many of them about one name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
_NONE: list[Any] = []


class Glob:
    """A component with `*` and `?`, as a shell reads them: neither matches a dot at the beginning."""

    __slots__ = ("_hidden", "_pieces", "_shortest", "_simple", "_text", "_unknown", "head", "inner", "tail")

    def __init__(self, text: str) -> None:
        """Find what an index needs; the rest is made for the first name that is tried."""
        self._text = text
        literal = text.encode().replace(b"?", b"*").split(b"*")
        self.head, self.tail = literal[0], literal[-1]
        self.inner = max(literal, key=len)  # a part that a name must have
        self._pieces: list[bytes] = []

    def _prepare(self) -> None:
        text = self._text
        self._pieces = pieces = text.encode().split(b"*")
        self._simple = len(pieces) == 2 and "?" not in text
        self._unknown = "?" in text or len(pieces) == 1
        self._shortest = sum(map(len, pieces))
        self._hidden = text.startswith(".")

    def matches(self, name: bytes) -> bool:
        """Return whether the name matches."""
        if not self._pieces:
            self._prepare()
        if len(name) < self._shortest or (not self._hidden and name.startswith(b".")):
            return False
        if self._simple:
            return name.startswith(self.head) and name.endswith(self.tail)
        return self._slowly(name) if self._unknown else self._in_order(name)

    def _in_order(self, name: bytes) -> bool:
        first, *middle, last = self._pieces
        if not name.startswith(first) or not name.endswith(last):
            return False
        position = len(first)
        for piece in middle:
            # The first place where a piece fits is as good as any later one: nothing is tried twice.
            found = name.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return position <= len(name) - len(last)

    def _slowly(self, name: bytes) -> bool:
        position = _fits(self._pieces[0], name, 0)
        if position < 0:
            return False
        if len(self._pieces) == 1:
            return position == len(name)
        for piece in self._pieces[1:-1]:
            start = position
            while (position := _fits(piece, name, start)) < 0:
                start += 1
                if start > len(name):
                    return False
        rest = range(position, len(name) + 1)
        return any(_fits(self._pieces[-1], name, start) == len(name) for start in rest)


def _fits(piece: bytes, name: bytes, position: int) -> int:
    """Return where the piece ends if the name has it at this position, or -1."""
    for byte in piece:
        if position >= len(name):
            return -1
        if byte == 0x3F:
            position += 1
            # `?` stands for a character, which may have several bytes in UTF-8.
            while position < len(name) and name[position] & 0xC0 == 0x80:
                position += 1
        elif name[position] == byte:
            position += 1
        else:
            return -1
    return position


class Index(Generic[Value]):
    """Wildcards by the beginning, end or part that a name must have, so that few are tried for each name."""

    __slots__ = ("_always", "_heads", "_inside", "_tails")

    def __init__(self, globs: Iterable[tuple[Glob, Value]]) -> None:
        self._heads: dict[bytes, list[tuple[Glob, Value]]] = {}
        self._tails: dict[bytes, list[tuple[Glob, Value]]] = {}
        self._inside: list[tuple[bytes, tuple[Glob, Value]]] = []
        self._always: list[tuple[Glob, Value]] = []
        for entry in globs:
            head, tail = entry[0].head, entry[0].tail
            if tail and len(tail) >= len(head):
                self._tails.setdefault(tail[-2:], []).append(entry)
            elif head:
                self._heads.setdefault(head[:2], []).append(entry)
            elif entry[0].inner:
                self._inside.append((entry[0].inner, entry))
            else:
                self._always.append(entry)

    def of(self, name: bytes) -> list[Value]:
        """Return the values of the wildcards that match the name."""
        tried = self._always
        if self._heads:
            tried = tried + self._heads.get(name[:2], _NONE)
            if len(name) > 1:
                tried += self._heads.get(name[:1], _NONE)
        if self._tails:
            tried = tried + self._tails.get(name[-2:], _NONE)
            if len(name) > 1:
                tried += self._tails.get(name[-1:], _NONE)
        if self._inside:
            tried = tried + [entry for inner, entry in self._inside if inner in name]
        return [value for glob, value in tried if glob.matches(name)] if tried else _NONE
