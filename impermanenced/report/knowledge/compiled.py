"""The compiled form of the package's rules, which a report looks into and does not read as a whole.

    the header      {"format": 1, "crc32": of all that follows, "rules": their number,
                     "sources": {rule file: bytes}, "roots": [the lines of the four tries]}
    a rule          on a line of its own: its fields, in their order
    a node          [its rule for a file, for a directory, whether it leads on, {name: node},
                     {wildcard: node}, the node behind `**`], of which the end may be missing; a large one
                     is on a line of its own, whose number stands in its place

A line is parsed when something on it is asked for, so a report parses some dozens of two thousand.  The
alternatives, for the same look-ups: everything unmarshalled costs as much and binds the file to a version of
Python; the module of SQLite takes 17 million instructions to load, before it answers anything.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, overload

from ...losses import CLASSES
from .facts import Rule
from .trie import Node, is_wild

FORMAT = 1
FIELDS = 15  # of a rule; the others are needed by a linter alone
_LARGE = 1000  # characters of a node that gets a line of its own

# The fields of a node, or the number of its line, by the component that leads to it.
Children = Mapping[str, list[Any] | int]
_NOTHING: Children = {}


class Unusable(Exception):
    """An error for a compiled form that is not whole, or not of these rules; the message says why."""


class Lines:
    """The lines of a compiled form."""

    def __init__(self, content: bytes, sources: Mapping[str, int]) -> None:
        """Take the content, which was made from files of these sizes.  Raises Unusable."""
        first, _, rest = content.partition(b"\n")
        try:
            header = json.loads(first)
            form, crc, count, made_from, roots = (
                header[key] for key in ("format", "crc32", "rules", "sources", "roots")
            )
        except (ValueError, TypeError, KeyError):
            raise Unusable("not a compiled form of the rules") from None
        if form != FORMAT:
            raise Unusable(f"of format {form!r}, and not {FORMAT}")
        if crc != zlib.crc32(rest):
            raise Unusable("not as it was written")
        if made_from != sources:
            raise Unusable("made from other rule files than these")
        self._lines = rest.split(b"\n")
        self.count: int = count
        self.roots = [self.node(line) for line in roots]

    def rule(self, number: int) -> Rule:
        """Return a rule."""
        return _rule(json.loads(self._lines[number]))

    def node(self, packed: list[Any] | int) -> _Node:
        """Return a node, or the one on a line."""
        return _Node(self, json.loads(self._lines[packed]) if isinstance(packed, int) else packed)


class _Node:
    """A node of a trie; `trie.Packed` says what it offers."""

    __slots__ = ("_lines", "_tree", "directory", "file", "globs", "leads", "names")

    def __init__(self, lines: Lines, fields: list[Any]) -> None:
        self._lines = lines
        self.file: int | None = fields[0]
        self.directory: int | None = fields[1]
        self.leads = bool(fields[2])
        self.names: Children = fields[3] if len(fields) > 3 else _NOTHING
        self.globs: Children = fields[4] if len(fields) > 4 else _NOTHING
        self._tree: list[Any] | int | None = fields[5] if len(fields) > 5 else None

    @property
    def tree(self) -> _Node | None:
        return None if self._tree is None else self._lines.node(self._tree)

    def child(self, part: str) -> _Node | None:
        found = (self.globs if is_wild(part) else self.names).get(part)
        return None if found is None else self._lines.node(found)


class Rules(Sequence[Rule]):
    """The rules of a compiled form, each made when it is asked for, and others behind them."""

    def __init__(self, lines: Lines, more: Sequence[Rule]) -> None:
        self._lines = lines
        self._made: list[Rule | None] = [*[None] * lines.count, *more]

    @overload
    def __getitem__(self, number: int) -> Rule: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Rule]: ...
    def __getitem__(self, number: int | slice) -> Rule | Sequence[Rule]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        found = self._made[number]
        if found is None:
            found = self._made[number] = self._lines.rule(number)
        return found

    def __len__(self) -> int:
        return len(self._made)

    @property
    def made(self) -> int:
        """Return how many of them were made so far."""
        return sum(rule is not None for rule in self._made)


def _rule(fields: list[Any]) -> Rule:
    fields[4] = tuple(fields[4])
    fields[5] = CLASSES[fields[5]]
    fields[10] = tuple(map(tuple, fields[10]))
    fields[12] = tuple(fields[12])
    return Rule(*fields)


def written(rules: Sequence[Rule], roots: Sequence[Node], sources: Mapping[str, int]) -> str:
    """Return the compiled form of rules whose patterns are in these tries, without the fields that only a
    linter needs; `sources` are the sizes of the files that they were read from.
    """
    lines = [_text([*rule[:1], 0, *rule[2:FIELDS]]) for rule in rules]
    numbers = [_line(_packed(root, lines), lines) for root in roots]
    rest = "".join(f"{line}\n" for line in lines)
    header = {
        "format": FORMAT,
        "crc32": zlib.crc32(rest.encode()),
        "rules": len(rules),
        "sources": dict(sorted(sources.items())),
        "roots": numbers,
    }
    return f"{_text(header)}\n{rest}"


def _packed(node: Node, lines: list[str]) -> list[Any]:
    children: tuple[dict[str, list[Any] | int], ...] = {}, {}
    for part, child in sorted(node.children(), key=lambda one: one[0]):
        children[is_wild(part)][part] = _short(_packed(child, lines), lines)
    tree = None if node.tree is None else _short(_packed(node.tree, lines), lines)
    fields: list[Any] = [node.file, node.directory, int(node.leads), *children, tree]
    while not fields[-1] and len(fields) > 3:
        fields.pop()
    return fields


def _short(fields: list[Any], lines: list[str]) -> list[Any] | int:
    """Return a node as it stands in another: a large one as the number of its line."""
    return _line(fields, lines) if len(_text(fields)) > _LARGE else fields


def _line(fields: list[Any], lines: list[str]) -> int:
    lines.append(_text(fields))
    return len(lines) - 1


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
