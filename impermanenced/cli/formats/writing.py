"""The common part of the writers: their input, their output, and which names plain text can hold."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...config.placement import Ownership
from ...report.suggest import Item, Suggestion, System, Wanted
from ...text import size_to_text, to_text
from .. import wording

Ownerships = Mapping[str, str]
Option = str | bool | Sequence[str] | Mapping[str, str]  # the value of an option of an entry


@dataclass(frozen=True, slots=True)
class Task:
    """The input of a writer: `wanted` is what it writes of the suggestion, sorted."""

    suggestion: Suggestion
    wanted: tuple[Wanted, ...]
    items: Mapping[bytes, Item]
    system: System

    def blocks(self) -> Iterator[tuple[bytes, list[Wanted]]]:
        """Yield each persist volume with its declarations."""
        blocks: dict[bytes, list[Wanted]] = collections.defaultdict(list)
        for one in self.wanted:
            blocks[one.persist].append(one)
        yield from blocks.items()


@dataclass(slots=True)
class Written:
    """The output of a writer."""

    lines: list[str] = field(default_factory=list)
    refused: list[tuple[Wanted, str]] = field(default_factory=list)  # (declaration, why)
    nodes: set[bytes] = field(default_factory=set)  # paths of links and the like that the lines make

    def take(self, one: Wanted, why_not: str | None) -> bool:
        """Return whether a declaration can be written; if not, note it as refused."""
        if why_not is not None:
            self.refused.append((one, why_not))
        return why_not is None


def about(one: Wanted) -> str:
    """Return the comment behind a declaration: its owner, and how much would be lost."""
    if not one.count:
        return ""
    paths = wording.plural(one.count, "path") if one.directory else ""
    size = size_to_text(one.size) if one.size else ""
    return "  # " + ", ".join(filter(None, (one.why, paths, size)))


def by_user(block: Iterable[Wanted]) -> Iterator[tuple[str | None, list[Wanted]]]:
    """Yield each user with the declarations in that user's home; the system's own come first, as None."""
    users: dict[str | None, list[Wanted]] = collections.defaultdict(list)
    for one in block:
        users[one.user].append(one)
    yield from users.items()


def hides(block: Iterable[Wanted]) -> bool:
    """Return whether existing declarations of this block are hidden from file managers, files above all: not
    every language can say it of one.
    """
    declared = [one for one in block if one.declared]
    of_files = [one.hide for one in declared if not one.directory]
    return all(of_files or [one.hide for one in declared]) and bool(declared)


def differs(one: Wanted, *, hidden: bool) -> bool:
    """Return whether the declaration differs from its block in that; a new one never does."""
    return one.declared and one.hide != hidden


def fields(own: Ownership) -> dict[str, str]:
    """Return {key: value} of what is not the default."""
    return {key: value for key in ("user", "group", "mode") if (value := getattr(own, key)) is not None}


def unspeakable(raw: bytes, escapes: str = "") -> str | None:
    """Return why a language cannot express a name, or None; `escapes` are the characters that it
    can escape.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    plain = text.translate({ord(character): None for character in "\\" + escapes})
    if to_text(plain.encode()) != plain:
        return "its name has a character that cannot be seen"
    return None
