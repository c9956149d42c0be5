"""An update of the machine: it is made in the next release of the blank, and what runs stays as it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..config.load import Config
from ..errors import ImpermanenceError
from ..kernel import openat2
from ..model import Volume
from ..state import NEXT_BLANK
from ..text import first_of, to_text
from ..volumes.machine import Machine
from . import boot, change, copies, difference, etc, listing, managers, namespace, promotion, versions
from .change import Changed
from .etc import Merge, Outcome, Side
from .listing import Place
from .record import Maker
from .versions import Package

MOST = 5  # paths that are named

# What every update writes, and what makes no release by itself.
_BOOKS = (
    b"/var/log/",
    b"/var/cache/",
    b"/var/lib/apt/",
    b"/var/lib/dnf/",
    b"/var/lib/dpkg/lock",
    b"/tmp/",
    b"/run/",
)
_IDENTITY = b"/etc/machine-id"
_FORBIDS = b"#!/bin/sh\n# Written by impermanence update: nothing is started in a release.\nexit 101\n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done."""

    commands: tuple[tuple[str, ...], ...] = ()  # (): what the distribution updates itself with
    same: bool = False  # what was installed, changed and removed in the running system
    side: Side | None = None  # whose file of /etc is taken where both have changed it
    dry_run: bool = False
    quiet: bool = False  # what commands say goes to stderr


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update has done."""

    changed: Changed
    packages: tuple[Package, ...] = ()
    merges: tuple[Merge, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


class _Nothing(Exception):
    """The commands changed nothing."""


@dataclass(slots=True)
class _Work:
    """An update while it is made."""

    config: Config
    machine: Machine
    volume: Volume
    wanted: Wanted
    commands: tuple[tuple[str, ...], ...] = ()
    packages: tuple[Package, ...] = ()
    merges: list[Merge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def live(self) -> bytes:
        """Return where the root of the running system is."""
        return self.volume.mountpoint

    def edit(self, place: Place) -> Iterable[bytes]:
        """Do the update in a staged release, and return the names in /boot that went."""
        blank = listing.place_of(self.machine, self.volume.blank or b"")
        assert blank is not None
        with (
            openat2.root(self.live) as live,
            promotion.opened(self.machine, blank) as was,
            promotion.opened(self.machine, place) as release,
        ):
            self.commands = self._commands(live, was, release)
            copied = boot.fill(live, release)
            self._run(place, release)
            boot.mend(release, NEXT_BLANK, self.volume.subvolume)
            copies.one(was, release, _IDENTITY)
            self._look(live, was, release, place, blank)
            if copied is None:
                return ()
            boot.refuse_no_room(live, release)
            return copied.names - boot.names(release)

    def _commands(self, live: int, was: int, release: int) -> tuple[tuple[str, ...], ...]:
        if self.wanted.same:
            return self._same(live, was)
        if not self.wanted.commands:
            return managers.update(release)
        for words in self.wanted.commands:
            if not _is_program(release, words[0]):
                what = f"{to_text(words[0].encode())} is no program of the blank; nothing was changed"
                raise ImpermanenceError(what, "a program of the blank, as it would be typed there")
        return self.wanted.commands

    def _same(self, live: int, was: int) -> tuple[tuple[str, ...], ...]:
        now, before = versions.installed(live), versions.installed(was)
        packages = versions.differing(before, now)
        if not packages:
            raise _Nothing
        place = managers.ARCHIVES.get(now.manager) if now.manager is not None else None
        names: Sequence[bytes] = ()
        with contextlib.suppress(OSError):
            names = openat2.names(live, place) if place is not None else ()
        found = managers.repeat(now.manager, packages, names)
        if found.fetched:
            self.notes.append(f"from the network, since it was not kept: {', '.join(found.fetched)}")
        return found.commands

    def _run(self, place: Place, release: int) -> None:
        policy = b"/proc/self/fd/%d/%s" % (release, namespace.POLICY)
        with _forbidden(policy):
            binds = namespace.binds(self.config, self.live, release)
            for words in self.commands:
                status = namespace.run(self.machine, place, binds, words, quiet=self.wanted.quiet)
                if status != 0:
                    said = to_text(" ".join(words[:3]).encode())
                    what = f"{said} failed with status {status}; nothing was changed"
                    raise ImpermanenceError(what, "what it said is above; try again when that is mended")

    def _look(self, live: int, was: int, release: int, place: Place, blank: Place) -> None:
        changes = difference.changes(self.machine, self.volume, blank, place)
        if not [one for one in changes if not (one.path + b"/").startswith(_BOOKS)]:
            raise _Nothing
        self.merges = etc.merge(live, was, release, changes, self.config.persist, self.wanted.side)
        if conflicts := [one.path for one in self.merges if one.outcome is Outcome.CONFLICT]:
            what = f"changed here and by the update, and not to be merged: {first_of(conflicts, MOST)}"
            raise ImpermanenceError(
                f"{what}; nothing was changed", "--etc mine or --etc new decides for all of them"
            )
        now, before = versions.installed(release), versions.installed(was)
        self.packages = tuple(versions.differing(before, now))


def update(
    config: Config,
    machine: Machine,
    volume: Volume,
    wanted: Wanted,
    progress: promotion.Progress = promotion.quiet,
) -> Updated:
    """Update the next release of a blank, make it the blank, and bring the running /boot along.

    Raises ImpermanenceError if anything failed: then blank, running system and boot menu are as they were.
    """
    managers.refuse_busy(volume.mountpoint)
    work = _Work(config, machine, volume, wanted)
    words = "--same" if wanted.same else "; ".join(" ".join(one) for one in wanted.commands) or "full upgrade"

    try:
        changed = change.change(
            config, machine, volume, Maker.UPDATE, words, work.edit, dry_run=wanted.dry_run, progress=progress
        )
    except _Nothing:
        changed = Changed(None, promotion.current(machine, volume), ())
        return Updated(changed, commands=work.commands, notes=("nothing was different",))
    return Updated(changed, work.packages, tuple(work.merges), work.commands, tuple(work.notes))


def _is_program(root: int, word: str) -> bool:
    if "/" in word:
        return openat2.exists_inside(root, os.fsencode(word))
    places = namespace.ENVIRONMENT["PATH"].split(":")
    return any(openat2.exists_inside(root, os.fsencode(f"{place}/{word}")) for place in places)


@contextlib.contextmanager
def _forbidden(policy: bytes) -> Iterator[None]:
    """Forbid scripts of packages to start services, while it is entered; a policy that is there stays."""
    if os.path.lexists(policy) or not os.path.isdir(os.path.dirname(policy)):
        yield
        return
    with open(os.open(policy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755), "wb") as stream:
        stream.write(_FORBIDS)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(policy)
