"""The choice of declarations: which would keep what would be lost, and what none of them can keep.

In this order:

    1  what no declaration is for gets a remedy instead: what came with a package, what a mount hides, what
       the blank brings back, caches; logs and what is better kept in another way unless they are asked for
    2  a directory that the knowledge or a unit names is declared: the application's, the service's
    3  a directory that is new as a whole and holds nothing but such losses stands for all of them
    4  anything else is declared by itself

A directory that everything lies in (`structure`) is never declared, nor is anything below a directory that is
declared already.  What step 1 left out counts as covered if it lies in a declared directory.
"""

from __future__ import annotations

import collections
import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from ...config.placement import Ownership, Placement
from ...errors import UsageError
from ...lazy import NamedTuple
from ...losses import LossClass, weight
from ...model import Advice, AdviceKind, Change, FileType, Verdict
from ...paths import ancestors, within
from ...text import from_text, to_text
from .. import structure
from ..accounts import System
from .declarations import Item, Remedy, RemedyKind, Suggestion, Wanted
from .ownership import of_directory, of_file, of_parent, standing, ways

ELSEWHERE = (AdviceKind.HOME_MANAGER, AdviceKind.PLASMA_MANAGER, AdviceKind.STYLIX, AdviceKind.DOTFILE)
LOGS = b"/var/log"  # one declaration for all that lies in it
OF_THE_LOGS = "logs of the system and of its services"
_TREES = (FileType.DIRECTORY, FileType.SUBVOLUME)
_NODES = (FileType.SYMLINK, FileType.FIFO, FileType.SOCKET, FileType.BLOCK, FileType.CHAR)
_MADE = (Change.CREATED, Change.REPLACED)
# A directory that is new as a whole may hold remedies of these kinds beside what is worth keeping.
_HARMLESS = (RemedyKind.NODE, RemedyKind.LOG)


def choose(
    items: Sequence[Item],
    system: System,
    persist: bytes,
    placements: Sequence[Placement] = (),
    *,
    narrow: Sequence[bytes] = (),
    logs: bool = False,
    dotfiles: bool = False,
) -> Suggestion:
    """Return the declarations that keep what would be lost, with those that exist already, and the
    remedies.

    `items` are all entries of the report.  With `narrow` only losses at or below one of these paths count;
    `logs` and `dotfiles` declare also logs, and what is better kept in another way.
    """
    choice = _Choice(items, system, persist, placements, logs=logs, dotfiles=dotfiles)
    asked = [item for item in choice.crud if _is_asked(item, narrow)]
    hidden = [
        item for item in items if item.hidden and item.verdict is Verdict.CRUD and _is_asked(item, narrow)
    ]
    found = choice.among(asked)
    wanted = [*(_declared(placement, choice.made) for placement in placements), *found.wanted]
    copy = [Remedy(RemedyKind.COPY, tuple(item.path for item in hidden))] if hidden else []
    return Suggestion(
        tuple(sorted(wanted, key=lambda one: (one.user or "", one.path))),
        (*found.remedies, *copy),
        ways(wanted, system, choice.made),
        len(asked) + len(hidden),
        found.covered,
        found.on_the_way,
    )


def _is_asked(item: Item, narrow: Sequence[bytes]) -> bool:
    return not narrow or any(within(item.path, path) for path in narrow)


def _declared(placement: Placement, made: Mapping[bytes, Item]) -> Wanted:
    user = placement.user
    own, parent = (
        Ownership(None if one.user == user else one.user, one.group, one.mode)
        for one in (placement.own, placement.parent)
    )
    declaration = placement.declaration
    return Wanted(
        declaration.path,
        declaration.directory,
        declaration.persist,
        user,
        placement.home,
        own,
        parent,
        placement.method,
        placement.hide,
        placement.details,
        declared=True,
        in_blank=declaration.path not in made,
    )


class _Found(NamedTuple):
    wanted: list[Wanted]
    remedies: list[Remedy]
    covered: int
    on_the_way: tuple[bytes, ...]


class _Choice:
    """The facts of a whole report; `among` chooses for a part of it."""

    def __init__(
        self,
        items: Iterable[Item],
        system: System,
        persist: bytes,
        placements: Iterable[Placement],
        *,
        logs: bool,
        dotfiles: bool,
    ) -> None:
        # Beneath a mount: another volume may have something else by the same path.
        items = [item for item in items if not item.hidden]
        self.crud = [item for item in items if item.verdict is Verdict.CRUD]
        self.made = {item.path: item for item in items if item.change in _MADE and item.type in _TREES}
        self._system = system
        self._persist = persist
        self._declared = {one.declaration.path for one in placements if one.declaration.directory}
        self._volumes = {persist, *(one.declaration.persist for one in placements)}
        self._logs = logs
        self._dotfiles = dotfiles
        self._filled = {above for item in items for above in ancestors(item.path)[:1]}
        self._vaults = self._find_vaults(items)
        kinds = {item.path: self._kind(item) for item in self.crud}
        self._kinds = {path: kind for path, kind in kinds.items() if kind is not None}
        self._impure = self._find_impure(items)

    # What no declaration is for

    def _kind(self, item: Item) -> RemedyKind | None:
        """Return the kind of the remedy, or None for what can be declared."""
        directory = item.type in _TREES
        if item.change is Change.DELETED:
            return RemedyKind.BLANK
        if any(within(item.path, volume) for volume in self._volumes):
            return RemedyKind.INSIDE
        if item.package:
            return RemedyKind.PACKAGE
        if item.type is FileType.SUBVOLUME:
            return RemedyKind.SUBVOLUME
        if item.advice and item.advice[0].kind is AdviceKind.INTO_BLANK:
            return RemedyKind.INTO_BLANK
        if item.loss is LossClass.CACHE or (item.advice and item.advice[0].kind is AdviceKind.IGNORE):
            return RemedyKind.CACHE
        if item.type in _NODES:
            return RemedyKind.NODE
        if directory and item.change is Change.METADATA:
            return RemedyKind.METADATA
        if not self._logs and item.loss is LossClass.LOG and not self._of_the_logs(item):
            return RemedyKind.LOG
        if not self._dotfiles and self._elsewhere(item):
            return RemedyKind.ELSEWHERE
        if directory and (item.path in self._filled or not self._can_be_declared(item.path)):
            return RemedyKind.EMPTY  # what it holds is listed by itself
        return None

    def _of_the_logs(self, item: Item) -> bool:
        """Return whether it is a log in the directory that is declared for all of them."""
        return item.loss is LossClass.LOG and within(item.path, LOGS) and self._can_be_declared(LOGS)

    def _elsewhere(self, item: Item) -> tuple[Advice, ...]:
        """Return the better ways to keep it, if the first advice is one; what those tools make
        lies in homes.
        """
        if not item.advice or item.advice[0].kind not in ELSEWHERE:
            return ()
        if self._system.user(item.path) is None and not structure.is_homely(item.path):
            return ()
        return tuple(advice for advice in item.advice if advice.kind in ELSEWHERE)

    def _is_structure(self, path: bytes) -> bool:
        found = self._system.user(path)
        return structure.is_structure(path, found[1] if found else None)

    def _find_vaults(self, items: Iterable[Item]) -> set[bytes]:
        """Return the new directories that hold nothing that another user would read."""
        found = {path for path in self.made if not self._is_structure(path)}
        for item in items:
            if item.loss not in (LossClass.SECRET, LossClass.CACHE):
                found.difference_update(ancestors(item.path)[:1])
        return found

    def _find_impure(self, items: Iterable[Item]) -> set[bytes]:
        """Return the directories that hold something that must not be declared."""
        found: set[bytes] = set()
        for item in items:
            if self._spoils(item):
                for above in (item.path, *ancestors(item.path)):
                    if above in found:
                        break
                    found.add(above)
        return found

    def _spoils(self, item: Item) -> bool:
        """Return whether a directory with this in it must not be declared as a whole."""
        if item.verdict is not Verdict.CRUD:
            return True
        kind = self._kinds.get(item.path)
        if kind is None or kind in _HARMLESS:
            return False
        return kind is not RemedyKind.EMPTY or item.path not in self.made

    # What is declared, and what for

    def among(self, losses: Sequence[Item]) -> _Found:
        """Return the declarations and remedies for these losses."""
        targets = self._find_targets(losses)
        on_the_way = {above for path in targets for above in ancestors(path)}
        groups: dict[bytes, list[Item]] = {path: [] for path in targets}
        left, passed = [], []
        for item in losses:
            path = next((path for path in (item.path, *ancestors(item.path)) if path in targets), None)
            if path is not None:
                groups[path].append(item)
            elif item.path in on_the_way and item.type in _TREES and item.change is Change.CREATED:
                passed.append(item.path)
            else:
                left.append(item)
        wanted = [self._wanted(path, targets[path], group) for path, group in groups.items()]
        kept = {one.path for one in wanted if one.directory} | self._declared
        return _Found(wanted, self._remedies(left, kept), len(losses) - len(left), tuple(passed))

    def _find_targets(self, losses: Iterable[Item]) -> dict[bytes, bool]:
        """Return each path to declare, and whether it is a directory."""
        found = dict(self._target(item) for item in losses if item.path not in self._kinds)
        directories = {path for path, directory in found.items() if directory}
        return {
            path: directory for path, directory in found.items() if directories.isdisjoint(ancestors(path))
        }

    def _target(self, item: Item) -> tuple[bytes, bool]:
        if self._of_the_logs(item):
            return LOGS, True
        named = self._named(item)
        if named is not None:
            return named, True
        if _stands_alone(item):
            return item.path, False
        whole = None
        for path in (item.path, *ancestors(item.path)):
            if path in self.made:
                if path in self._impure or not self._can_be_declared(path):
                    break
                whole = path
            elif path != item.path:
                break
        return (whole, True) if whole else (item.path, item.type in _TREES)

    def _named(self, item: Item) -> bytes | None:
        """Return the directory above it that some advice names, or None."""
        for kind, argument in item.advice:
            if kind is AdviceKind.PERSIST_FILE:
                return None
            if kind is AdviceKind.PERSIST_DIRECTORY and argument:
                try:
                    path = from_text(argument)
                except UsageError:
                    return None
                if path != item.path and within(item.path, path) and self._can_be_declared(path):
                    facts = self._system.facts(path)
                    # A user who may not look there relies on the advice.
                    return path if facts is None or stat.S_ISDIR(facts.st_mode) else None
        return None

    def _leads_to(self, link: bytes, directories: set[bytes]) -> bool:
        target = self._system.link(link)
        if target is None:
            return False
        path = os.path.normpath(os.path.join(os.path.dirname(link), target))
        return not directories.isdisjoint((path, *ancestors(path)))

    def _can_be_declared(self, path: bytes) -> bool:
        """Return whether the path can be declared as a whole."""
        return not self._is_structure(path) and not any(
            within(volume, path) or within(path, volume) for volume in self._volumes
        )

    def _wanted(self, path: bytes, directory: bool, items: Sequence[Item]) -> Wanted:
        system = self._system
        user, home = system.user(path) or (None, None)
        secret = any(item.loss is LossClass.SECRET for item in items)
        now = standing(path, system, collections.ChainMap({item.path: item for item in items}, self.made))
        parent = Ownership()
        if directory:
            own = of_directory(path, now, user, system, secret=secret)
        else:
            own = of_file(now, user, system)
            above = (*ancestors(path), b"/")[0]
            around = standing(above, system, self.made)
            parent = of_parent(above, around, user, system, private=secret and above in self._vaults)
        return Wanted(
            path,
            directory,
            self._persist,
            user.name if user else None,
            home,
            own,
            parent,
            in_blank=not any(item.path == path and item.change is Change.CREATED for item in items),
            instead=tuple(dict.fromkeys(self._elsewhere(item) for item in items if self._elsewhere(item))),
            why=OF_THE_LOGS if path == LOGS else _why(items),
            count=len(items),
            size=sum(item.size for item in items if item.change is not Change.DELETED),
        )

    def _remedies(self, left: Iterable[Item], kept: set[bytes]) -> list[Remedy]:
        groups: dict[tuple[RemedyKind, str, tuple[Advice, ...]], list[bytes]] = {}
        for item in left:
            kind = self._kinds[item.path]
            if item.type is FileType.SYMLINK and self._leads_to(item.path, kept):
                kind = RemedyKind.FOLLOWS
            package = item.package if kind is RemedyKind.PACKAGE else ""
            ways = self._elsewhere(item) if kind is RemedyKind.ELSEWHERE else ()
            groups.setdefault((kind, package, ways), []).append(item.path)
        found = sorted(groups.items())
        return [Remedy(kind, tuple(paths), package, ways) for (kind, package, ways), paths in found]


def _stands_alone(item: Item) -> bool:
    """Return whether the file itself is what a rule names: one of a directory that holds other things too."""
    if item.type is not FileType.FILE or not item.advice:
        return False
    kind, argument = item.advice[0]
    return kind is AdviceKind.PERSIST_FILE and argument == to_text(item.path)


def _why(items: Sequence[Item]) -> str:
    """Return the unit or application that most of it belongs to, and the worst loss class, as text."""
    whose = collections.Counter(name for item in items if (name := item.unit or item.application))
    worst = max((item.loss for item in items), key=weight, default=LossClass.UNKNOWN)
    names = [whose.most_common(1)[0][0]] if whose else []
    return ", ".join(names if worst is LossClass.UNKNOWN else [*names, worst])
