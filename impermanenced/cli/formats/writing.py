"""What the writers share: what they are given, what they give, and which names plain text can hold."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...config.load import Ownership
from ...report.suggest import Item, Suggestion, System, Wanted
from ...text import size_to_text, to_text
from .. import wording

Ownerships = Mapping[str, str]
Option = str | bool | Sequence[str] | Mapping[str, str]  # of an entry


@dataclass(frozen=True, slots=True)
class Task:
    """`wanted`: what is to be written of the suggestion, sorted; each persist volume is one block."""

    suggestion: Suggestion
    wanted: tuple[Wanted, ...]
    items: Mapping[bytes, Item]
    system: System

    def blocks(self) -> Iterator[tuple[bytes, list[Wanted]]]:
        blocks: dict[bytes, list[Wanted]] = collections.defaultdict(list)
        for one in self.wanted:
            blocks[one.persist].append(one)
        yield from blocks.items()


@dataclass(slots=True)
class Written:
    lines: list[str] = field(default_factory=list)
    refused: list[tuple[Wanted, str]] = field(default_factory=list)  # and why
    nodes: set[bytes] = field(default_factory=set)  # links and the like that the lines make, by their paths

    def take(self, one: Wanted, why_not: str | None) -> bool:
        """Note what cannot be written, and why; return whether it can."""
        if why_not is not None:
            self.refused.append((one, why_not))
        return why_not is None


def about(one: Wanted) -> str:
    """Return what stands behind a declaration: whose it is, and how much."""
    if not one.count:
        return ""
    paths = wording.plural(one.count, "path") if one.directory else ""
    size = size_to_text(one.size) if one.size else ""
    return "  # " + ", ".join(filter(None, (one.why, paths, size)))


def by_user(block: Iterable[Wanted]) -> Iterator[tuple[str | None, list[Wanted]]]:
    """Yield users and what is theirs; None, the system itself, comes first."""
    users: dict[str | None, list[Wanted]] = collections.defaultdict(list)
    for one in block:
        users[one.user].append(one)
    yield from users.items()


def hides(block: Iterable[Wanted]) -> bool:
    """Tell whether what a block declares already is hidden from file managers; a file goes with its block."""
    declared = [one for one in block if one.declared]
    of_files = [one.hide for one in declared if not one.directory]
    return all(of_files or [one.hide for one in declared]) and bool(declared)


def differs(one: Wanted, *, hidden: bool) -> bool:
    """Tell whether the entry differs from its block in that; what is new goes with the block."""
    return one.declared and one.directory and one.hide != hidden


def fields(own: Ownership) -> dict[str, str]:
    return {key: value for key in ("user", "group", "mode") if (value := getattr(own, key)) is not None}


def unspeakable(raw: bytes, escapes: str = "") -> str | None:
    """Return why a language cannot say a name; None: it can.

    `escapes`: the characters that it has escapes for.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    plain = text.translate({ord(character): None for character in "\\" + escapes})
    if to_text(plain.encode()) != plain:
        return "its name has a character that cannot be seen"
    return None
