"""What is reviewed, and the plan that comes of it: one command of ours for each decision."""

from __future__ import annotations

import enum
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...kernel import openat2
from ...losses import mark
from ...model import Change, Entry, FileType
from ...text import size_to_text, to_text
from .. import rows, wording
from ..commands import COMMANDS
from ..rows import Row

PREVIEW = 8192  # bytes of a file that are shown
LINES = 200


class Act(enum.StrEnum):
    """The decisions on a path, each with its key."""

    PERSIST = "persist"
    DECLARE = "declare"
    IGNORE = "ignore"
    RESTORE = "restore"
    DELETE = "delete"


KEYS: Mapping[str, Act] = {
    "p": Act.PERSIST,
    "d": Act.DECLARE,
    "i": Act.IGNORE,
    "r": Act.RESTORE,
    "x": Act.DELETE,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the tree: a thing that one would name, or a path in it."""

    label: str
    paths: tuple[bytes, ...]  # what a decision on it is about
    entry: Entry | None = None  # of a single path
    below: tuple[Item, ...] = ()


@dataclass(slots=True)
class Review:
    """What is reviewed, and what was decided so far."""

    title: str
    items: tuple[Item, ...]
    root: int  # a descriptor of the volume's root
    prefix: int  # bytes of a path that name the volume's place
    boot: int | None = None  # the boot whose losses these are; None: what would be lost now
    decided: dict[bytes, Act] = field(default_factory=dict)

    def acts(self) -> tuple[Act, ...]:
        """Return the decisions that make sense."""
        acts = (Act.RESTORE, Act.DECLARE, Act.IGNORE) if self.boot is not None else tuple(Act)
        return tuple(act for act in acts if act not in (Act.PERSIST, Act.IGNORE) or act.value in COMMANDS)

    def decide(self, item: Item, act: Act | None) -> None:
        """Note a decision on all paths of an item; None, or the same once more, takes it back."""
        again = all(self.decided.get(path) == act for path in item.paths)
        for path in item.paths:
            self.decided.pop(path, None)
            if act is not None and not again:
                self.decided[path] = act

    def mark_of(self, item: Item) -> str:
        """Return the decision on an item, `mixed` if its paths have several, or ""."""
        found = {self.decided.get(path) for path in item.paths}
        if len(found) > 1:
            return "mixed"
        act = found.pop() if found else None
        return "" if act is None else act.value

    def commands(self) -> list[list[str]]:
        """Return the arguments of the commands that carry out the plan, in their order."""
        by_act: dict[Act, list[str]] = {}
        for path in sorted(self.decided):
            if not any(above in self.decided for above in _above(path)):
                by_act.setdefault(self.decided[path], []).append(os.fsdecode(path))
        found = [_command(act, by_act[act], self.boot) for act in Act if act in by_act]
        if self.boot is not None:
            found.append(["reviewed", str(self.boot)])
        return found

    def preview(self, item: Item) -> str:
        """Return the beginning of a file, or what is known of anything else; no terminal obeys any of it."""
        entry = item.entry
        if entry is None:
            return f"{wording.plural(len(item.paths), 'path')}: Enter shows them"
        difference = entry.difference
        reasons = [entry.rule, *entry.because]
        head = "\n".join(to_text(reason.encode()) for reason in reasons)
        if difference.type is FileType.SYMLINK:
            return f"{head}\n\n-> {to_text(difference.target or b'')}"
        if difference.type is not FileType.FILE or difference.change is Change.DELETED:
            return f"{head}\n\n{difference.type.value}, {difference.change.value}"
        try:
            content = openat2.read(self.root, difference.path[self.prefix :], PREVIEW)
        except OSError as error:
            return f"{head}\n\ncannot be read: {error.strerror}"
        return f"{head}\n\n{_text(content)}"


def _above(path: bytes) -> Iterator[bytes]:
    while (path := os.path.dirname(path)) not in (b"/", b""):
        yield path


def _command(act: Act, paths: list[str], boot: int | None) -> list[str]:
    if act is Act.DECLARE:
        return ["suggest", *paths]
    if act is Act.RESTORE and boot is not None:
        return ["restore", "-b", str(boot), *paths]
    if act in (Act.RESTORE, Act.DELETE):  # a path that the blank lacks goes
        return ["restore", "--blank", "--force", *paths]
    return [act.value, *paths]


def shown(command: Sequence[str]) -> str:
    """Return a command as one would type it, fit for a terminal."""
    return to_text(os.fsencode(shlex.join(["impermanence", *command])))


def _text(content: bytes) -> str:
    if b"\0" in content:
        lines = [content[at : at + 16].hex(" ") for at in range(0, min(len(content), 1024), 16)]
        return "\n".join(lines)
    lines = content.decode("utf-8", "backslashreplace").split("\n")[:LINES]
    return "\n".join(_printable(line) for line in lines)


def _printable(line: str) -> str:
    return "".join(one if one.isprintable() or one == "\t" else ascii(one)[1:-1] for one in line)


def items(entries: Iterable[Entry]) -> tuple[Item, ...]:
    """Return the rows of a report as a tree: what one would call one thing, with its paths below it."""
    return tuple(map(_item, rows.rows(entries)))


def _item(row: Row) -> Item:
    label = f"{mark(row.score):>2} {row.loss:<13} {row.path}  {row.what}, {size_to_text(row.size)}"
    if row.who:
        label += f"  {row.who}"
    below = tuple(
        Item(_label(entry), (entry.difference.path,), entry)
        for entry in sorted(row.entries, key=lambda entry: entry.difference.path)
    )
    paths = tuple(entry.difference.path for entry in row.entries)
    return Item(label, paths, below[0].entry if len(below) == 1 else None, below if len(below) > 1 else ())


def _label(entry: Entry) -> str:
    difference = entry.difference
    who = wording.writer(entry.writer)
    size = size_to_text(difference.held) if difference.type is FileType.FILE else difference.type.value
    return f"{difference.letters} {to_text(difference.path)}  {size}" + (f"  {who}" if who else "")
