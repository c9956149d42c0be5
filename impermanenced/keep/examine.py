"""The examination of declarations: what is at each declared path, against what should be.

The rules (`report/rules`) say what keeps a path, so nothing is kept here that a report counts as lost.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping

from ..config.placement import SYNC, Placement
from ..model import Advice, Difference, FileType, Mounted, Verdict
from ..report.accounts import System
from ..report.report import Manager
from ..report.rules import Ruling
from ..text import to_text
from ..volumes import placement
from ..volumes.machine import system_root
from ..volumes.mounted import AUTOMOUNT
from .ownership import resolved
from .plan import is_early, source_of
from .remedy import remedy_of
from .sources import Sources
from .state import KEPT, Declared, Reason

_Why = tuple[Reason, str]  # a reason, and its words


def states(manager: Manager) -> list[Declared]:
    """Return the state of every declaration, in the order of the configuration.

    A system that is not mounted here as a whole has none.
    """
    root = system_root(manager.volumes)
    if root is None:
        return []
    above = root.rstrip(b"/")
    placements = {one.declaration.path: one for one in manager.config.placements}
    wiped = {one.persist: one.words for one in placement.misplaced(manager.config.persist, manager.volumes)}
    found: dict[bytes, Declared] = {}
    with (
        Sources(root, manager.mounts()) as sources,
        System(lambda path: above + path, native=root == b"/") as system,
    ):
        judge = _Judge(sources, system, wiped)
        for standing, ruling, advice in manager.rulings(placements):
            found[standing.path] = judge.state(placements[standing.path], standing, ruling, advice)
    return [found[path] for path in placements if path in found]


class _Judge:
    """The examination of declarations, with what it needs of the system."""

    def __init__(self, sources: Sources, system: System, wiped: Mapping[bytes, str]) -> None:
        self._sources = sources
        self._system = system
        self._wiped = wiped

    def state(
        self, one: Placement, standing: Difference, ruling: Ruling, advice: tuple[Advice, ...]
    ) -> Declared:
        """Return the state of one declaration, by what is at its path and what the rules say of it."""
        source, declaration = source_of(one), one.declaration
        facts, fault = self._facts(source)
        # In a mount above both there is one place, and what is not there yet will be kept there.
        within = ruling.mount is not None and ruling.mount.path != declaration.path
        reason, words = (
            self._misplaced(one, source, standing, ruling)
            or (None if within else fault)
            or self._unlike(one, facts)
            or (None if within else self._aside(one, facts))
            or _active(source, standing, ruling)
        )
        hint, commands = remedy_of(one, source, reason, advice)
        return Declared(
            declaration.path,
            source,
            declaration.directory,
            declaration.persist,
            one.method,
            declaration.source,
            reason,
            words,
            hint,
            commands,
            early=is_early(one),
            kept=reason in KEPT and ruling.verdict in (Verdict.PERSISTED, Verdict.HIDDEN),
            uid=self._owner(one, facts),
        )

    def _misplaced(self, one: Placement, source: bytes, standing: Difference, ruling: Ruling) -> _Why | None:
        """Return why what is at the path is not the source, or None if it is."""
        if one.declaration.persist in self._wiped:
            return Reason.WIPED, self._wiped[one.declaration.persist]
        if ruling.mount is not None:
            return self._mounted(one, source, ruling.mount)
        if one.method == SYNC:
            return _copied(source, standing, ruling)
        if ruling.verdict is not Verdict.PERSISTED or standing.target is None:
            return self._absent(one, source, standing)
        if self._leads_to(standing, source):
            return None
        return Reason.ELSEWHERE, f"it is a link to {to_text(standing.target)}, and not to {to_text(source)}"

    def _mounted(self, one: Placement, source: bytes, mount: Mounted) -> _Why | None:
        at = "there" if mount.path == one.declaration.path else f"at {to_text(mount.path)}"
        if mount.goes:
            return Reason.STALE, mount.goes
        if mount.fstype == AUTOMOUNT:
            return Reason.WAITS, f"it is mounted {at} once something enters it"
        if mount.ephemeral:
            return Reason.PASSING, f"a {mount.fstype} is mounted {at}, which keeps nothing"
        device, root = mount.origin
        below = one.declaration.path[len(mount.path) :]
        if (device, root.rstrip(b"/") + below or b"/") == self._sources.origin(source):
            return None
        return Reason.ELSEWHERE, f"what is mounted {at} is {to_text(mount.source)}, and not {to_text(source)}"

    def _leads_to(self, standing: Difference, source: bytes) -> bool:
        """Return whether a link that the rules followed into a persist volume leads to the source."""
        target = os.path.join(os.path.dirname(standing.path), standing.target or b"")
        place = b"/" + os.path.normpath(target).lstrip(b"/")
        # Over other links it leads into a persist volume as well, by the rules; whose links, they know.
        return place == source or self._sources.origin(place) is None or self._is_link(place)

    def _is_link(self, place: bytes) -> bool:
        try:
            facts = self._sources.facts(place)
        except OSError:
            return True  # there is one on the way
        return facts is not None and stat.S_ISLNK(facts.st_mode)

    def _absent(self, one: Placement, source: bytes, standing: Difference) -> _Why:
        """Return the reason where neither a mount nor a link keeps the path."""
        if one.method != "symlink":
            return Reason.UNMOUNTED, "nothing is mounted there: what is written there goes with this boot"
        if standing.target is not None:
            return Reason.ELSEWHERE, f"it is a link to {to_text(standing.target)}, which keeps nothing"
        if standing.inode and self._exists(source):
            what = "a directory" if standing.type is FileType.DIRECTORY else "a file"
            return Reason.LINK_REPLACED, f"{what} is where the link to {to_text(source)} belongs"
        return Reason.UNLINKED, f"there is no link to {to_text(source)}"

    def _exists(self, source: bytes) -> bool:
        return self._facts(source)[0] is not None

    def _facts(self, source: bytes) -> tuple[os.stat_result | None, _Why | None]:
        """Return what a source is, None if that cannot be told, and what is wrong where there is none."""
        try:
            return self._sources.facts(source), None
        except FileNotFoundError:
            return None, (Reason.NO_SOURCE, f"its source {to_text(source)} does not exist")
        except OSError as error:
            return None, (Reason.NO_SOURCE, f"its source {to_text(source)}: {error.strerror}")

    def _unlike(self, one: Placement, facts: os.stat_result | None) -> _Why | None:
        """Return in what the source is not as it was declared, or None."""
        if facts is None:
            return None
        if stat.S_ISDIR(facts.st_mode) != one.declaration.directory:
            wanted, found = ("directory", "file")[:: 1 if one.declaration.directory else -1]
            return Reason.KIND, f"it is declared as a {wanted}, and its source is a {found}"
        differs = ", ".join(self._differs(one, facts))
        return (Reason.OWNER, differs) if differs else None

    def _aside(self, one: Placement, facts: os.stat_result | None) -> _Why | None:
        """Return what a program left beside a mounted file, or None."""
        if facts is None or not stat.S_ISREG(facts.st_mode):
            return None
        found = self._sources.left_aside(one.declaration.path, facts)
        if found is None:
            return None
        return Reason.LEFT_ASIDE, (
            f"{to_text(found)} is a younger version: nothing can be put in the place of what is mounted"
        )

    def _differs(self, one: Placement, facts: os.stat_result) -> Iterator[str]:
        own = one.own
        names: tuple[tuple[str, str | None, Callable[[int], str], int], ...] = (
            ("owner", own.user, self._system.owner, facts.st_uid),
            ("group", own.group, self._system.group, facts.st_gid),
        )
        for what, wanted, name_of, number in names:
            if wanted is not None and wanted not in (str(number), name_of(number)):
                yield f"the {what} of its source is {name_of(number)}, not {wanted}"
        mode = stat.S_IMODE(facts.st_mode)
        wanted_mode = mode if own.mode is None else resolved(own.mode, mode)
        if wanted_mode != mode:
            yield f"the mode of its source is {mode:04o}, not {wanted_mode:04o}"

    def _owner(self, one: Placement, facts: os.stat_result | None) -> int | None:
        for name in (one.user, one.own.user):
            if name is not None:
                return int(name) if name.isdecimal() else self._system.uid(name)
        return None if facts is None else facts.st_uid


def _copied(source: bytes, standing: Difference, ruling: Ruling) -> _Why:
    shown = to_text(source)
    if ruling.verdict is Verdict.PERSISTED and standing.target is None:
        return Reason.COPIED, f"copied from {shown}, which has the same"
    if not standing.inode:
        return Reason.NOT_COPIED, f"there is no copy of {shown}"
    return Reason.CHANGED, f"it is not as {shown}, and not copied back"


def _active(source: bytes, standing: Difference, ruling: Ruling) -> _Why:
    shown = to_text(source)
    if ruling.mount is None:
        return Reason.LINKED, f"linked to {shown}"
    if ruling.mount.path == standing.path:
        return Reason.MOUNTED, f"mounted from {shown}"
    return Reason.WITHIN, f"in what is mounted at {to_text(ruling.mount.path)}, as {shown}"
