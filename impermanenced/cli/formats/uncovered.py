"""The paths that no declaration covers, as lines of comment: what they are, and what can be done."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping

from ...model import Advice
from ...paths import ancestors
from ...report.suggest import RemedyKind
from ...text import to_text
from ..remedies import elsewhere
from ..wording import homely, plural
from . import tmpfiles
from .writing import Task, Written

SHOWN = 5  # paths that are shown for one remedy

_SAYS: Mapping[RemedyKind, str] = {
    RemedyKind.BLANK: "gone from the blank: the next boot brings it back; take a new blank without it",
    RemedyKind.CACHE: "nothing that anybody would miss: add a pattern to ignore below [watch]",
    RemedyKind.COPY: "hidden under a mount: copy it to what is mounted there",
    RemedyKind.EMPTY: "a directory that holds nothing to keep",
    RemedyKind.FOLLOWS: "links that live on as soon as what they lead to is mounted",
    RemedyKind.INTO_BLANK: (
        "programs replace the file, so neither a mount nor a link holds: put it into the blank after each "
        "change (impermanence explain PATH); NixOS makes it of users.users and hashedPasswordFile"
    ),
    RemedyKind.INSIDE: "in the place of the persist volume, which is not mounted",
    RemedyKind.LOG: "logs: declare /var/log to keep them, or ask for --all",
    RemedyKind.METADATA: (
        "mode or owner of a directory that the blank has: tmpfiles.d or a new blank sets them"
    ),
    RemedyKind.NODE: "links, fifos and devices: a line of tmpfiles.d makes each",
    RemedyKind.SUBVOLUME: "a nested subvolume: move it to the top level of the filesystem, and mount it here",
}


def lines(task: Task, written: Written) -> Iterator[str]:
    """Yield the lines, without the sign that makes a comment of them."""
    for words, paths in _why_refused(written).items():
        yield f"  not in this format, {words}:"
        yield from _paths(paths)
    packages: list[str] = []
    better_ways: dict[tuple[Advice, ...], list[bytes]] = {}
    for remedy in task.suggestion.remedies:
        paths = [path for path in remedy.paths if path not in written.nodes]
        if remedy.kind is RemedyKind.PACKAGE:
            packages.append(remedy.package)
        elif remedy.kind is RemedyKind.ELSEWHERE:
            better_ways[remedy.advice] = paths
        elif paths:
            yield f"  {_SAYS[remedy.kind]}:"
            yield from _nodes(task, paths) if remedy.kind is RemedyKind.NODE else _paths(paths)
    if packages:
        yield "  packages installed since the blank: declare them, or install them into the blank:"
        yield f"    {', '.join(packages)}"
    yield from _ways(better_ways)
    if better_ways:
        yield "  (--all declares what is better kept in another way, too)"


def better(task: Task) -> Iterator[str]:
    """Yield the better ways to keep what is declared."""
    found: dict[tuple[Advice, ...], list[bytes]] = collections.defaultdict(list)
    for one in task.wanted:
        for ways in one.instead:
            found[ways].append(one.path)
    yield from _ways(found)


def _ways(found: Mapping[tuple[Advice, ...], list[bytes]]) -> Iterator[str]:
    for ways, paths in sorted(found.items()):
        for number, (kind, argument) in enumerate(ways):
            yield f"  {'or ' * (number > 0)}{elsewhere(kind, argument)}"
        yield from _paths(paths)


def _why_refused(written: Written) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = collections.defaultdict(list)
    for one, words in written.refused:
        found[words].append(one.path)
    return found


def _paths(paths: Iterable[bytes]) -> Iterator[str]:
    """Yield the topmost of these paths."""
    known = set(paths)
    tops = [path for path in sorted(known) if known.isdisjoint(ancestors(path))]
    for path in tops[:SHOWN]:
        yield f"    {homely(to_text(path))}"
    if len(tops) > SHOWN:
        yield f"    and {plural(len(tops) - SHOWN, 'more path')}"


def _nodes(task: Task, paths: list[bytes]) -> Iterator[str]:
    for path in paths[:SHOWN]:
        yield f"    {tmpfiles.node(task, path) or homely(to_text(path))}"
    if len(paths) > SHOWN:
        yield f"    and {plural(len(paths) - SHOWN, 'more path')} (--format tmpfiles has them all)"
