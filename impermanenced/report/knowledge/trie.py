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
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from ...lazy import NamedTuple
from .globs import Glob, Index

MAX_PATTERN = 512
MAX_DEPTH = 24
MAX_STARS = 4  # in one component
MAX_TREES = 2  # `**` in one pattern

_REFUSED = "[]{}\\"
HOME = "~"
DEEP = "**"


class PatternError(ValueError):
    """An error for a pattern that makes no sense; the message says why."""


def check(text: str) -> list[str]:
    """Return the components of a pattern.  Raises PatternError if it makes no sense."""
    if any(character in _REFUSED or not character.isprintable() for character in text):
        raise PatternError(f"the wildcards are * ? and **; none of {_REFUSED} can stand in a pattern")
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern of {len(text)} characters is longer than {MAX_PATTERN}")
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
    return parts[1:]


def is_wild(part: str) -> bool:
    """Return whether the component has a wildcard."""
    return "*" in part or "?" in part


# How exactly a pattern names a path: by its last component, by fewer `**`, then by the components before.
Rank = tuple[int, int, tuple[int, ...]]
_NO_RANK: Rank = 0, 0, ()


class _Waiting(NamedTuple):
    """A pattern whose components from `depth` on are not in the trie yet."""

    parts: Sequence[str]
    depth: int
    directory: bool
    rule: int
    default: bool


class Packed(Protocol):
    """The compiled form of a node: `compiled` has the only one."""

    file: int | None
    directory: int | None
    leads: bool

    @property
    def names(self) -> Collection[str]:
        """Return the components that lead to children, but for those with a wildcard."""

    @property
    def globs(self) -> Collection[str]:
        """Return the components with a wildcard."""

    @property
    def tree(self) -> Packed | None:
        """Return the node behind a `**`."""

    def child(self, part: str) -> Packed | None:
        """Return the node that a component leads to."""


class Node:
    """The patterns that are still possible after the components read so far.

    Children are made when they are first asked for: a report meets few of all places.  They come from the
    patterns that were inserted, and from the compiled form of a node (`packed`).
    """

    __slots__ = (
        "_globs",
        "_index",
        "_literal",
        "_packed",
        "_unfolded",
        "_waiting",
        "at_tree",
        "directory",
        "file",
        "leads",
        "plain",
        "rank",
        "tree",
    )  # fmt: skip

    def __init__(
        self,
        rank: Rank = _NO_RANK,
        *,
        plain: bool = True,
        at_tree: bool = False,
        packed: Packed | None = None,
    ) -> None:
        self._literal: dict[bytes, Node] = {}
        self._globs: dict[str, tuple[Glob, Node]] = {}
        self._index: Index[Node] | None = None  # an index of `_globs`
        self._waiting: list[_Waiting] = []
        self._unfolded = packed is None
        self._packed = packed  # what it has of children that were not asked for yet
        self.tree: Node | None = None  # the node behind a `**`
        self.at_tree = at_tree  # whether any visible component leads here again
        self.plain = plain  # whether no wildcard led here
        self.leads = False  # whether a rule that is no default lies below
        self.rank = rank
        self.directory: int | None = None  # the rule whose pattern ends here, with a slash
        self.file: int | None = None  # the rule whose pattern ends here, without a slash
        if packed is not None:
            self.file, self.directory, self.leads = packed.file, packed.directory, packed.leads
            if packed.tree is not None:
                self.tree = self._behind_tree(packed.tree)

    @property
    def exact(self) -> bool:
        """Return whether the last component is no wildcard."""
        return self.rank[0] == MAX_PATTERN

    def insert(self, text: str, rule: int, *, default: bool) -> None:
        """Add a pattern that `check` has passed, without the part that tells homes from the system."""
        parts = text.strip("/").split("/") if text != "/" else []
        self._put(_Waiting(parts, 0, text.endswith("/"), rule, default))

    def _put(self, pattern: _Waiting) -> None:
        if pattern.depth < len(pattern.parts):
            self.leads = self.leads or not pattern.default
            # A `**` may stand for nothing, so its node must exist before any component is read.
            if pattern.parts[pattern.depth] == DEEP:
                if self.tree is None:
                    self.tree = self._behind_tree(None)
                self.tree._put(pattern._replace(depth=pattern.depth + 1))
            else:
                self._waiting.append(pattern)
                self._unfolded = False
        elif pattern.directory:
            self.directory = pattern.rule
        else:
            self.file = pattern.rule

    def _behind_tree(self, packed: Packed | None) -> Node:
        last, trees, before = self.rank
        return Node((last, trees - 1, before), plain=False, at_tree=True, packed=packed)

    def _unfold(self) -> None:
        """Make the children of this node, but for the literal ones of the compiled form."""
        if self._packed is not None:
            for part in self._packed.globs:
                self._child(part)
        for pattern in self._waiting:
            part = pattern.parts[pattern.depth]
            self._child(part)._put(pattern._replace(depth=pattern.depth + 1))
        self._waiting = []
        self._index = Index(self._globs.values()) if self._globs else None
        self._unfolded = True

    def _child(self, part: str) -> Node:
        packed = None if self._packed is None else self._packed.child(part)
        if not is_wild(part):
            name = part.encode()
            if name not in self._literal:
                self._literal[name] = Node(self._more(MAX_PATTERN), plain=self.plain, packed=packed)
            return self._literal[name]
        if part not in self._globs:
            exactness = 1 + len(part.replace("*", "").replace("?", ""))
            self._globs[part] = (Glob(part), Node(self._more(exactness), plain=False, packed=packed))
        return self._globs[part][1]

    def children(self) -> Iterator[tuple[str, Node]]:
        """Yield (component, node) of each child, but for the one behind a `**`."""
        self._unfold()
        for name in self._packed.names if self._packed is not None else ():
            self._child(name)
        yield from ((name.decode(), node) for name, node in self._literal.items())
        yield from ((part, node) for part, (_, node) in self._globs.items())

    def _more(self, exactness: int) -> Rank:
        last, trees, before = self.rank
        return exactness, trees, (last, *before)

    def collect(self, name: bytes, found: list[Node]) -> None:
        """Append the nodes that one more component leads to."""
        if not self._unfolded:
            self._unfold()
        child = self._literal.get(name)
        if child is None and self._packed is not None and (part := os.fsdecode(name)) in self._packed.names:
            child = self._child(part)
        if child is not None:
            found.append(child)
        if self._index is not None:
            found += self._index.of(name)


def start(root: Node) -> tuple[Node, ...]:
    """Return the nodes before the first component."""
    return (root,) if root.tree is None else (root, root.tree)


def ends(nodes: Iterable[Node], name: bytes) -> list[Node]:
    """Return the nodes that this component leads to; patterns that end with it have their rule there."""
    found: list[Node] = []
    for node in nodes:
        node.collect(name, found)
    return found


def step(nodes: Sequence[Node], name: bytes) -> tuple[Node, ...]:
    """Return the nodes after this component, with those behind a `**`."""
    found = ends(nodes, name)
    trees = [node.tree for node in found if node.tree is not None]
    if not name.startswith(b"."):
        trees += [node for node in nodes if node.at_tree]
    return tuple(dict.fromkeys((*found, *trees)))
