"""Path patterns, and the trie that all of them are asked in at once.

Hard facts
    A path is taken apart once, and a step into one component asks only the patterns that matched
    all the components above: a dictionary for the literal ones, and one pass over the name for
    each wildcard.  A state is a set of nodes, so two ways to the same node cost as much as one, and
    no pattern makes the walk go back.  What a path costs is bounded by its depth times the wildcards
    that are in play there, which the limits below bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

MAX_PATTERN = 512
MAX_DEPTH = 24
MAX_STARS = 4  # in one component
MAX_TREES = 2  # `**` in one pattern
MAX_SIBLINGS = 128  # wildcards that stand at the same place

_REFUSED = "[]{}\\"
HOME = "~"
DEEP = "**"


class PatternError(ValueError):
    """A pattern that cannot be meant; the message says why."""


def parse(text: str) -> tuple[tuple[str, ...], bool]:
    """The components of a pattern, `~` first when it is for homes, and whether it is a directory's."""
    if any(character in _REFUSED or not character.isprintable() for character in text):
        raise PatternError(f"the wildcards are * ? and **; none of {_REFUSED} can stand in a pattern")
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern of {len(text)} characters is longer than {MAX_PATTERN}")
    directory = text.endswith("/")
    parts = text.rstrip("/").split("/")
    if parts[0] not in ("", HOME) or (parts == [""] and text != "/"):
        raise PatternError('a pattern begins with "/" or "~/"')
    if any(part in ("", ".", "..") for part in parts[1:]):
        raise PatternError('".", ".." and doubled slashes match nothing')
    if len(parts) > MAX_DEPTH:
        raise PatternError(f"more than {MAX_DEPTH} components")
    if any(part.count("*") > MAX_STARS for part in parts):
        raise PatternError(f"more than {MAX_STARS} stars in one component")
    if any(DEEP in part and part != DEEP for part in parts):
        raise PatternError("** is a component by itself")
    if parts.count(DEEP) > MAX_TREES:
        raise PatternError(f"more than {MAX_TREES} times **")
    if parts[:2] == ["", "root"] or (parts[:2] == ["", "home"] and len(parts) > 2):
        raise PatternError('write "~/" for what is in a home')
    if parts[-1] == DEEP:
        raise PatternError("a directory's pattern matches all that is below: leave out the last **")
    if any(pair == (DEEP, DEEP) for pair in itertools.pairwise(parts)):
        raise PatternError("** twice in a row")
    return tuple(parts if parts[0] == HOME else parts[1:]), directory


class Glob:
    """`*` and `?` in one component, as a shell reads them: neither matches a dot at the beginning."""

    __slots__ = ("_head", "_hidden", "_pieces", "_shortest", "_simple", "_tail")

    def __init__(self, text: str) -> None:
        pieces = text.encode().split(b"*")
        self._pieces = pieces
        self._head, self._tail = pieces[0], pieces[-1]
        self._simple = len(pieces) == 2 and b"?" not in text.encode()
        self._shortest = sum(map(len, pieces))
        self._hidden = text.startswith(".")

    def matches(self, name: bytes) -> bool:
        if len(name) < self._shortest or (not self._hidden and name.startswith(b".")):
            return False
        if self._simple:
            return name.startswith(self._head) and name.endswith(self._tail)
        return self._slowly(name)

    def _slowly(self, name: bytes) -> bool:
        # The first place where a piece fits is as good as any later one: nothing is tried twice.
        position = _fits(self._head, name, 0)
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
        return any(_fits(self._tail, name, start) == len(name) for start in range(position, len(name) + 1))


def _fits(piece: bytes, name: bytes, position: int) -> int:
    """Where the piece ends when it stands at this position of the name, else -1."""
    for byte in piece:
        if position >= len(name):
            return -1
        if byte == 0x3F:
            position += 1
            # One character, not one byte of it.
            while position < len(name) and name[position] & 0xC0 == 0x80:
                position += 1
        elif name[position] == byte:
            position += 1
        else:
            return -1
    return position


# How exactly a pattern names what it matches: component by component from the last, then fewer `**`.
Rank = tuple[tuple[int, ...], int]
NO_RANK: Rank = (), 0


class Node:
    """Where some patterns are after the components read so far."""

    __slots__ = ("at_tree", "directory", "file", "globs", "leads", "literal", "plain", "rank", "tree")

    def __init__(self, rank: Rank, *, plain: bool, at_tree: bool = False) -> None:
        self.literal: dict[bytes, Node] = {}
        self.globs: dict[str, tuple[Glob, Node]] = {}
        self.tree: Node | None = None  # past a `**` that stands here
        self.at_tree = at_tree  # any visible component leads here again
        self.plain = plain  # no wildcard on the way here
        self.leads = False  # to a rule that is no default
        self.rank = rank
        self.directory: int | None = None  # the rule whose pattern ends here, with a slash
        self.file: int | None = None  # without

    def child(self, part: str) -> Node:
        """The node for one more component; PatternError when there are too many beside it."""
        if part == DEEP:
            if self.tree is None:
                self.tree = Node((self.rank[0], self.rank[1] - 1), plain=False, at_tree=True)
            return self.tree
        if "*" not in part and "?" not in part:
            name = part.encode()
            if name not in self.literal:
                self.literal[name] = Node(self._more(MAX_PATTERN), plain=self.plain)
            return self.literal[name]
        if part not in self.globs:
            if len(self.globs) >= MAX_SIBLINGS:
                raise PatternError(f"more than {MAX_SIBLINGS} wildcards at one place")
            exactness = 1 + len(part.replace("*", "").replace("?", ""))
            self.globs[part] = (Glob(part), Node(self._more(exactness), plain=False))
        return self.globs[part][1]

    def _more(self, exactness: int) -> Rank:
        return (exactness, *self.rank[0]), self.rank[1]


def start(root: Node) -> tuple[Node, ...]:
    return (root,) if root.tree is None else (root, root.tree)


def step(nodes: Sequence[Node], name: bytes) -> tuple[Node, ...]:
    """The nodes that one more component leads to."""
    found: list[Node] = []
    for node in nodes:
        child = node.literal.get(name)
        if child is not None:
            found.append(child)
        for glob, child in node.globs.values():
            if glob.matches(name):
                found.append(child)
        if node.at_tree and not name.startswith(b"."):
            found.append(node)
    if any(node.tree is not None for node in found):
        found += [node.tree for node in found if node.tree is not None]
        return tuple(dict.fromkeys(found))
    return tuple(found)


def insert(root: Node, parts: Sequence[str], directory: bool, rule: int, *, default: bool) -> int | None:
    """Put a pattern in; the rule that had this very pattern before, if any."""
    node = root
    for part in parts:
        if not default:
            node.leads = True
        node = node.child(part)
    if directory:
        before, node.directory = node.directory, rule
    else:
        before, node.file = node.file, rule
    return before
