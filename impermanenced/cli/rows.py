"""Entries to the rows of a report: one a thing that a person would call one."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..losses import LossClass, weight
from . import wording

Entry = Mapping[str, Any]

PACKAGES = "packages"  # the class of what was installed since the blank
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
    score: int
    note: str  # what else is worth saying
    entries: tuple[Entry, ...]


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


ORDERS: Mapping[str, Callable[[Row], tuple[Any, ...]]] = {
    "score": lambda row: (-row.score, -row.size, row.path),
    "size": lambda row: (-row.size, row.path),
    "time": lambda row: (-row.when, row.path),
    "path": lambda row: (row.path,),
}


def rows(entries: Iterable[Entry], order: str = "score") -> list[Row]:
    """By default what hurts most comes first.

    What was installed is one row.  What is known to belong together is another: an application's directory,
    a service's state, files of one kind beside each other.  Else a created directory stands for all that is
    in it, and names in a directory that was there before are one row where one writer wrote them.
    Directories that only lead to other rows are none.
    """
    entries = list(entries)
    tops: dict[str, _Tops] = {}
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for volume in dict.fromkeys(entry["volume"] for entry in entries):
        tops[volume] = _Tops(entry for entry in entries if entry["volume"] == volume)
    for entry in entries:
        groups.setdefault(_key(entry, tops[entry["volume"]]), []).append(entry)
    ways = _ways(entries)
    found = [_row(key[1], group) for key, group in groups.items() if not _leads_on(group, ways)]
    return sorted(found, key=ORDERS[order])


def _ways(entries: Iterable[Entry]) -> set[tuple[str, str]]:
    """The directories above anything that is none."""
    ways: set[tuple[str, str]] = set()
    for entry in entries:
        above = _parent(entry["path"]) if entry["type"] != "directory" else ""
        while above and (way := (entry["volume"], above)) not in ways:
            ways.add(way)
            above = _parent(above)
    return ways


def _leads_on(group: list[Entry], ways: set[tuple[str, str]]) -> bool:
    """Whether it is directories that come back with what is in them, which other rows are about."""
    return all(
        entry["type"] == "directory"
        and entry["change"] == "created"
        and (entry["volume"], entry["path"]) in ways
        for entry in group
    )


def _key(entry: Entry, tops: _Tops) -> tuple[str, ...]:
    volume, path = entry["volume"], entry["path"]
    if entry["type"] == "subvolume":  # a whole tree, of unknown size: never one among others
        return volume, path
    if entry.get("package"):
        return volume, "", PACKAGES
    gone = "deleted" if entry["change"] == "deleted" else ""
    group = entry.get("group") or ""
    if group == path and entry["type"] not in _TREES:
        return volume, _parent(path), "of one kind", entry["application"], str(entry["loss"]), gone
    if group:
        return volume, group
    top = tops.of(path)
    if top is not None:
        return volume, top
    return volume, _parent(path), wording.writer(entry["writer"]), gone


def _row(directory: str, group: list[Entry]) -> Row:
    worst = max(group, key=lambda entry: (entry.get("score", 0), entry["size"]))
    packages = _packages(group)
    return Row(
        path=_names(packages) if packages else _path(directory, group),
        what=_what(group),
        size=sum(entry["size"] for entry in group if entry["change"] != "deleted"),
        who=_who(group),
        when=max(_when(entry) for entry in group),
        loss=PACKAGES if packages else _loss(worst, group),
        score=worst.get("score", 0),
        note=_note(worst, group),
        entries=tuple(group),
    )


def _packages(group: list[Entry]) -> list[str]:
    """What somebody asked for first, then what came with it."""
    brought = {
        entry["package"]: any(advice["kind"] == "with-package" for advice in entry.get("advice", ()))
        for entry in group
        if entry.get("package")
    }
    return sorted(brought, key=lambda name: (brought[name], name))


def _names(packages: list[str]) -> str:
    tools = ("dpkg", "pacman", "rpm")
    named = [name for name in packages if name not in tools] or packages
    shown = ", ".join(named[:4])
    return f"{shown} and {len(named) - 4} more" if len(named) > 4 else shown


def _loss(worst: Entry, group: list[Entry]) -> str:
    """Of what decides the row's score; where nothing has one, the class that most of them have."""
    if worst.get("score"):
        return str(worst["loss"])
    losses = [LossClass(entry["loss"]) for entry in group if entry["loss"]]
    return max(losses, key=weight) if losses else ""


def _note(worst: Entry, group: list[Entry]) -> str:
    notes = []
    lost = max(entry.get("lost", 0) for entry in group)
    if lost > 1:
        notes.append(f"lost on each of the last {lost} boots")
    if worst.get("unpushed"):
        notes.append(worst["unpushed"])
    return ", ".join(notes)


def _path(directory: str, group: list[Entry]) -> str:
    if len(group) > 1:
        paths = [entry["path"] for entry in group]
        if all(_parent(path) == directory for path in paths):
            return wording.braces(directory, [path[len(directory) + 1 :] for path in paths])
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
    if all(entry["change"] == "deleted" for entry in group):
        return f"{len(group):,} deleted"
    return wording.plural(files, "file") if files else wording.plural(len(group), "directory", "directories")


def _who(group: list[Entry]) -> str:
    writers = collections.Counter(filter(None, (wording.writer(entry["writer"]) for entry in group)))
    units = {entry.get("state_of") or "" for entry in group}
    if not writers:
        return units.pop() if len(units) == 1 else ""
    most = writers.most_common(1)[0][0]
    return most if len(writers) == 1 else f"{most} and {wording.plural(len(writers) - 1, 'other')}"


def _when(entry: Entry) -> float:
    # A file out of an archive carries an old time of its own; when it was written is known better.
    writer = entry["writer"]
    return wording.seconds(writer["last"] if writer else entry["mtime"])


# Other ways to look at it


def _directory_of(entry: Entry) -> str:
    return "/".join(entry["path"].split("/")[:4][: max(entry["path"].count("/"), 1)]) or "/"


def _class_of(entry: Entry) -> str:
    return PACKAGES if entry.get("package") else str(entry["loss"] or LossClass.UNKNOWN)


def _unit_of(entry: Entry) -> str:
    return entry.get("state_of") or wording.writer(entry["writer"]) or "(nobody known)"


VIEWS: Mapping[str, Callable[[Entry], str]] = {
    "unit": _unit_of,
    "app": lambda entry: entry.get("application") or "(none known)",
    "directory": _directory_of,
    "user": lambda entry: wording.user(entry["uid"]),
    "class": _class_of,
}


def by(view: str, entries: Iterable[Entry], order: str = "score") -> list[Row]:
    """One row for each value of what is looked at."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(VIEWS[view](entry), []).append(entry)
    found = []
    for name, group in groups.items():
        row = _row("", group)
        found.append(
            Row(
                name,
                wording.plural(len(group), "path"),
                row.size,
                "",
                row.when,
                row.loss,
                row.score,
                "",
                row.entries,
            )
        )
    return sorted(found, key=ORDERS[order])
