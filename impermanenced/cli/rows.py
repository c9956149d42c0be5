"""The rows of a report: entries that a person would call one thing are one row."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..losses import LossClass, weight
from ..model import AdviceKind, Change, Difference, Entry, FileType, Verdict
from ..paths import Inherited
from ..text import to_text
from . import wording

PACKAGES = "packages"  # the class of rows of packages that were installed since the blank
_TREES = (FileType.DIRECTORY, FileType.SUBVOLUME)
_SINGLE = {
    Change.DELETED: "deleted",
    Change.MODIFIED: "changed",
    Change.METADATA: "metadata",
    Change.REPLACED: "replaced",
}

# Entries with one key are one row: the volume, a directory, and what else they have in common.
Key = tuple[str, bytes, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the report."""

    path: str
    what: str  # "12 files"
    size: int
    who: str
    when: float  # seconds since 1970
    loss: str
    score: int
    note: str  # further remarks
    entries: tuple[Entry, ...]

    @property
    def declared(self) -> bool:
        """Return whether these are declared, and nothing is mounted there."""
        return self.entries[0].verdict is Verdict.DECLARED


def _parent(path: bytes) -> bytes:
    return path[: path.rfind(b"/")]


# Of a path the topmost of the created directories that it is, or lies in.
Tops = Inherited[bytes | None]


def _tops(entries: Iterable[Entry]) -> Tops:
    created = (Change.CREATED, Change.REPLACED)
    differences = [entry.difference for entry in entries]
    made = {one.path for one in differences if one.type in _TREES and one.change in created}
    return Inherited(None, lambda top, path: path if top is None and path in made else top)


ORDERS: Mapping[str, Callable[[Row], tuple[float, float, str]]] = {
    # What somebody wants to persist, and nothing makes persist, comes before everything else.
    "score": lambda row: (-row.score - 1000 * row.declared, -row.size, row.path),
    "size": lambda row: (-row.size, 0, row.path),
    "time": lambda row: (-row.when, 0, row.path),
    "path": lambda row: (0, 0, row.path),
}


def rows(entries: Iterable[Entry], order: str = "score") -> list[Row]:
    """Return the rows of these entries, by default the worst first.

    Packages that were installed are one row.  Entries that are known to belong together are another: an
    application's directory, a service's state, files of one kind beside each other.  Elsewhere a created
    directory stands for all that is in it, and names in an older directory are one row if one writer wrote
    them. Directories that only lead to other rows are left out.
    """
    entries = list(entries)
    tops: dict[str, Tops] = {}
    groups: dict[Key, list[Entry]] = {}
    for volume in dict.fromkeys(entry.volume for entry in entries):
        tops[volume] = _tops(entry for entry in entries if entry.volume == volume)
    for entry in entries:
        volume, directory, common = _key(entry, tops[entry.volume])
        groups.setdefault((volume, directory, (*common, entry.verdict)), []).append(entry)
    ways = _ways(entries)
    found = [_row(key[1], group) for key, group in groups.items() if not _leads_on(group, ways)]
    return sorted(found, key=ORDERS[order])


def _ways(entries: Iterable[Entry]) -> set[tuple[str, bytes]]:
    """Return the directories above anything but directories."""
    ways: set[tuple[str, bytes]] = set()
    for entry in entries:
        difference = entry.difference
        above = _parent(difference.path) if difference.type is not FileType.DIRECTORY else b""
        while above and (way := (entry.volume, above)) not in ways:
            ways.add(way)
            above = _parent(above)
    return ways


def _leads_on(group: list[Entry], ways: set[tuple[str, bytes]]) -> bool:
    """Return whether these are directories and subvolumes that come back with their content, which other rows
    are about.
    """
    return all(_is_way(entry.difference) and (entry.volume, entry.difference.path) in ways for entry in group)


def _is_way(difference: Difference) -> bool:
    if difference.type is FileType.SUBVOLUME:
        return not difference.held  # else it has more than what is listed
    return difference.type is FileType.DIRECTORY and difference.change is Change.CREATED


def _key(entry: Entry, tops: Tops) -> Key:
    volume, difference = entry.volume, entry.difference
    path = difference.path
    if difference.type is FileType.SUBVOLUME:  # a whole tree, not always listed: never one among others
        return volume, path, ()
    if entry.package:
        return volume, b"", (PACKAGES,)
    gone = "deleted" if difference.change is Change.DELETED else ""
    if entry.group == path and difference.type not in _TREES:
        return volume, _parent(path), ("of one kind", entry.application, str(entry.loss), gone)
    if entry.group:
        return volume, entry.group, ()
    top = tops[path]
    if top is not None:
        return volume, top, ()
    # A secret is a row of its own: it would hide among the histories that lie beside it.
    secret = str(entry.loss) if entry.loss is LossClass.SECRET else ""
    return volume, _parent(path), (wording.writer(entry.writer), gone, secret)


def _row(directory: bytes, group: list[Entry]) -> Row:
    worst = max(group, key=lambda entry: (entry.score, entry.difference.held))
    packages = _packages(group)
    differences = [entry.difference for entry in group]
    return Row(
        path=_names(packages, group) if packages else _path(directory, group),
        what=_what(group),
        size=sum(one.held for one in differences if one.change is not Change.DELETED),
        who=_who(group),
        when=max(_when(entry) for entry in group),
        loss=PACKAGES if packages else _loss(worst, group),
        score=worst.score,
        note=_note(worst, group),
        entries=tuple(group),
    )


def _packages(group: list[Entry]) -> list[str]:
    """Return the packages, those that were asked for before those that came with them."""
    brought = {
        entry.package: any(advice.kind is AdviceKind.WITH_PACKAGE for advice in entry.advice)
        for entry in group
        if entry.package
    }
    return sorted(brought, key=lambda name: (brought[name], name))


def _names(packages: list[str], group: list[Entry]) -> str:
    """Return the first packages by name; the package manager only where there is no other."""
    tools = {entry.package for entry in group if entry.bookkeeping}
    named = [name for name in packages if name not in tools] or packages
    shown = ", ".join(named[:4])
    return f"{shown} and {len(named) - 4} more" if len(named) > 4 else shown


def _loss(worst: Entry, group: list[Entry]) -> str:
    """Return the class of the entry that decides the score; without a score, the worst class in the row."""
    if worst.score:
        return str(worst.loss)
    losses = [entry.loss for entry in group if entry.loss]
    return max(losses, key=weight) if losses else ""


def _note(worst: Entry, group: list[Entry]) -> str:
    notes = []
    lost = max(entry.lost for entry in group)
    if lost > 1:
        notes.append(f"lost on each of the last {lost} boots")
    if worst.unpushed:
        notes.append(worst.unpushed)
    return ", ".join(notes)


def _path(directory: bytes, group: list[Entry]) -> str:
    if len(group) > 1:
        paths = [entry.difference.path for entry in group]
        shown = to_text(directory)
        if all(_parent(path) == directory for path in paths):
            return wording.braces(shown, [to_text(path[len(directory) + 1 :]) for path in paths])
        return shown + "/"
    difference = group[0].difference
    path = to_text(difference.path)
    return path + "/" if difference.type in _TREES and path != "/" else path


def _what(group: list[Entry]) -> str:
    if len(group) == 1:
        difference = group[0].difference
        if difference.change in _SINGLE:
            return _SINGLE[difference.change]
        if difference.type is FileType.DIRECTORY:
            return "empty"
        return "1 file" if difference.type is FileType.FILE else difference.type.value
    files = sum(entry.difference.type not in _TREES for entry in group)
    if all(entry.difference.change is Change.DELETED for entry in group):
        return f"{len(group):,} deleted"
    return wording.plural(files, "file") if files else wording.plural(len(group), "directory", "directories")


def _who(group: list[Entry]) -> str:
    writers = collections.Counter(filter(None, (wording.writer(entry.writer) for entry in group)))
    units = {entry.unit for entry in group}
    if not writers:
        return wording.unit(units.pop()) if len(units) == 1 else ""
    most = writers.most_common(1)[0][0]
    return most if len(writers) == 1 else f"{most} and {wording.plural(len(writers) - 1, 'other')}"


def _when(entry: Entry) -> float:
    # A file out of an archive carries an old time of its own; when it was written is known better.
    return entry.writer.last if entry.writer else entry.difference.mtime / 1e9


# Other ways to look at it


def _directory_of(entry: Entry) -> str:
    path = to_text(entry.difference.path)
    return "/".join(path.split("/")[:4][: max(path.count("/"), 1)]) or "/"


def _class_of(entry: Entry) -> str:
    return PACKAGES if entry.package else entry.loss or LossClass.UNKNOWN


def _unit_of(entry: Entry) -> str:
    return wording.unit(entry.unit) or wording.writer(entry.writer) or "(nobody known)"


VIEWS: Mapping[str, Callable[[Entry], str]] = {
    "unit": _unit_of,
    "app": lambda entry: entry.application or "(none known)",
    "directory": _directory_of,
    "user": lambda entry: wording.user(entry.difference.uid),
    "class": _class_of,
}


def by(view: str, entries: Iterable[Entry], order: str = "score") -> list[Row]:
    """Return one row for each value of a view."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(VIEWS[view](entry), []).append(entry)
    found = []
    for name, group in groups.items():
        row = _row(b"", group)
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
