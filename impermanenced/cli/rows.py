"""Entries to the rows of a report: one a thing that a person would call one."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import words

Entry = Mapping[str, Any]

_TREES = ("directory", "subvolume")
_SINGLE = {"deleted": "deleted", "modified": "changed", "metadata": "metadata", "replaced": "replaced"}


@dataclass(frozen=True, slots=True)
class Row:
    path: str
    what: str  # "12 files"
    size: int
    who: str
    when: float  # seconds since 1970
    loss: str


def _parent(path: str) -> str:
    return path[: path.rfind("/")]


class _Tops:
    """The topmost of the created directories above a path."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        created = ("created", "replaced")
        self._made = {
            entry["path"] for entry in entries if entry["type"] in _TREES and entry["change"] in created
        }
        self._known: dict[str, str | None] = {"": None, "/": None}

    def of(self, path: str) -> str | None:
        unknown = []
        while path not in self._known:
            unknown.append(path)
            path = _parent(path)
        top = self._known[path]
        for below in reversed(unknown):
            if top is None and below in self._made:
                top = below
            self._known[below] = top
        return top


def rows(entries: Iterable[Entry]) -> list[Row]:
    """The largest loss first.

    A created directory stands for all that is in it; names in a directory that was there before
    are one row where one writer wrote them.
    """
    entries = list(entries)
    tops: dict[str, _Tops] = {}
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for volume in dict.fromkeys(entry["volume"] for entry in entries):
        tops[volume] = _Tops(entry for entry in entries if entry["volume"] == volume)
    for entry in entries:
        top = tops[entry["volume"]].of(entry["path"])
        key: tuple[str, ...]
        if entry["type"] == "subvolume":  # a whole tree, of unknown size: never one among others
            key = (entry["volume"], entry["path"])
        elif top is not None:
            key = (entry["volume"], top)
        else:
            gone = "deleted" if entry["change"] == "deleted" else ""
            key = (entry["volume"], _parent(entry["path"]), words.writer(entry["writer"]), gone)
        groups.setdefault(key, []).append(entry)
    found = [_row(key[1], group) for key, group in groups.items()]
    return sorted(found, key=lambda row: (-row.size, row.path))


def _row(directory: str, group: list[Entry]) -> Row:
    losses = [entry["loss"] for entry in group if entry["loss"]]
    return Row(
        path=_path(directory, group),
        what=_what(group),
        size=sum(entry["size"] for entry in group if entry["change"] != "deleted"),
        who=_who(group),
        when=max(_when(entry) for entry in group),
        loss=collections.Counter(losses).most_common(1)[0][0] if losses else "",
    )


def _path(directory: str, group: list[Entry]) -> str:
    if len(group) > 1:
        return directory + "/"
    path: str = group[0]["path"]
    return path + "/" if group[0]["type"] in _TREES and path != "/" else path


def _what(group: list[Entry]) -> str:
    if len(group) == 1:
        entry = group[0]
        if entry["change"] in _SINGLE:
            return _SINGLE[entry["change"]]
        if entry["type"] == "directory":
            return "empty"
        return "1 file" if entry["type"] == "file" else str(entry["type"])
    files = sum(entry["type"] not in _TREES for entry in group)
    if group[0]["change"] == "deleted":
        return f"{len(group):,} deleted"
    return words.plural(files, "file") if files else words.plural(len(group), "directory", "directories")


def _who(group: list[Entry]) -> str:
    writers = collections.Counter(filter(None, (words.writer(entry["writer"]) for entry in group)))
    if not writers:
        return ""
    most = writers.most_common(1)[0][0]
    return most if len(writers) == 1 else f"{most} and {words.plural(len(writers) - 1, 'other')}"


def _when(entry: Entry) -> float:
    # A file out of an archive carries an old time of its own; when it was written is known better.
    writer = entry["writer"]
    return words.seconds(writer["last"] if writer else entry["mtime"])
