"""The plan: what each declaration needs at boot, worked out from the configuration and a few facts alone.

Nothing here looks at the machine or changes it; `units` writes the plan down for systemd and the initrd, and
`apply` makes the running system match it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..config.given import Given
from ..config.placement import AUTO, BIND, INITRD, SYMLINK, Placement
from ..errors import ConfigError
from ..paths import ancestors, within
from ..system import systemd_text
from ..text import to_text
from .ownership import Accounts, Owner, explicit, of_declared, of_parent

MACHINE_ID = b"/etc/machine-id"
# PID 1 reads it before it mounts anything, so the initrd has to put it there.
_EARLY = frozenset((MACHINE_ID,))
# Without an id there, the boot is a first one; an empty file is none.
_CONTENT: Mapping[bytes, bytes] = {MACHINE_ID: b"uninitialized\n"}
# Where the empty directories of what does not persist lie: in the root, which the next boot wipes.
EXCLUDED = b"/var/lib/impermanence/excluded"
ROOTS = Owner(0, 0, 0o755)


class Kind(enum.StrEnum):
    """The kinds of things that are created where nothing is."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"
    COPY = "copy"  # of a file
    GIVEN = "given"  # a copy with an owner and mode of its own


@dataclass(frozen=True, slots=True)
class Made:
    """Something that is created where nothing is; what is there keeps its owner and mode."""

    path: bytes
    kind: Kind
    owner: Owner
    target: bytes = b""  # of a link or a copy
    content: bytes = b""  # of a file


@dataclass(frozen=True, slots=True)
class Mounting:
    """A bind mount; `place` is where the mount point is created before anything is mounted."""

    source: bytes
    path: bytes
    place: bytes
    directory: bool
    options: tuple[str, ...]
    store: bytes  # the persist volume; b"" for what each boot has empty
    by: str  # the file and the key that declare it
    early: bool = False
    waits: bool = False  # data at the path is not adopted: what is there is not to be hidden


@dataclass(frozen=True, slots=True)
class Kept:
    """One declaration, and all that is done for it."""

    placement: Placement
    method: str  # BIND, SYMLINK or SYNC
    source: bytes
    owner: Owner  # of the source, where it has to be created
    early: bool
    made: tuple[Made, ...]  # in the order in which they are created
    mounts: tuple[Mounting, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan has to know of the machine."""

    accounts: Accounts
    there: frozenset[bytes] = frozenset()  # declared files that the persist volume has
    waiting: frozenset[bytes] = frozenset()  # declared paths with data that the persist volume has not
    tops: Mapping[bytes, bytes] | None = (
        None  # persist volumes on the root's filesystem: the path from its top
    )
    filesystem: str = ""  # the UUID of that filesystem


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is done for the declarations of one system."""

    kept: tuple[Kept, ...]
    facts: Facts
    given: tuple[Made, ...] = ()  # declared files, and the directories on the way to them

    @property
    def made(self) -> list[Made]:
        """Return what is created, each path once, in an order in which it can be."""
        found: dict[bytes, Made] = {}
        for one in self.kept:
            for made in one.made:
                found.setdefault(made.path, made)
        for made in self.given:
            found.setdefault(made.path, made)
        for one in self.kept:  # what somebody wrote down goes before a default
            for made in one.made:
                if explicit(one.placement, _declared_directory(one, made.path)):
                    found[made.path] = made
        return sorted(found.values(), key=lambda made: (made.path.count(b"/"), made.path))

    @property
    def mounts(self) -> list[Mounting]:
        """Return all mounts, outer ones before those inside them."""
        found = [mount for one in self.kept for mount in one.mounts]
        return sorted(found, key=lambda mount: mount.path)


def _declared_directory(one: Kept, path: bytes) -> bytes:
    """Return the directory of the root that a path in the persist volume stands for."""
    persist = one.placement.declaration.persist
    return path[len(persist) :] if within(path, persist) else path


def make(placements: Sequence[Placement], facts: Facts, given: Sequence[Given] = ()) -> Plan:
    """Return the plan.  Raises ConfigError for what no boot could do, and names the declaration."""
    outer = {
        one.declaration.path: one
        for one in placements
        if one.declaration.directory and one.method in (BIND, AUTO)
    }
    files = [made for one in given for made in _given(one, facts.accounts)]
    return Plan(tuple(_kept(one, outer, facts) for one in placements), facts, tuple(files))


def _given(one: Given, accounts: Accounts) -> Iterator[Made]:
    """Yield what is made for a declared file.  Raises ConfigError for a name that systemd cannot be told."""
    for path in (one.path, one.source):
        if (why := systemd_text.unspeakable(path)) is not None:
            raise ConfigError(f"{one.placement.declaration.source}: {to_text(path)}: {why}", "rename it")
    for above in reversed(ancestors(one.path)):
        yield Made(above, Kind.DIRECTORY, of_parent(one.placement, above, accounts))
    kind = Kind.LINK if one.placement.method == SYMLINK else Kind.GIVEN
    yield Made(one.path, kind, of_declared(one.placement, accounts), one.source)


def source_of(one: Placement) -> bytes:
    """Return where a declaration's content lies in the persist volume."""
    return one.declaration.persist.rstrip(b"/") + one.declaration.path


def is_early(one: Placement) -> bool:
    """Return whether the initrd makes it, before the system starts."""
    return one.details.phase == INITRD or one.declaration.path in _EARLY


def _kept(one: Placement, outer: Mapping[bytes, Placement], facts: Facts) -> Kept:
    declaration, accounts = one.declaration, facts.accounts
    source, method, early = source_of(one), _method(one, facts), is_early(one)
    _check(one, source, method, early=early, facts=facts)
    owner = of_declared(one, accounts)
    kind = Kind.DIRECTORY if declaration.directory else Kind.FILE
    way = [(above, of_parent(one, above, accounts)) for above in reversed(ancestors(declaration.path))]
    made = [Made(declaration.persist.rstrip(b"/") + above, Kind.DIRECTORY, how) for above, how in way]
    if method == BIND or (method == SYMLINK and one.details.target):
        made.append(Made(source, kind, owner, content=_CONTENT.get(declaration.path, b"")))
    made += [Made(place, Kind.DIRECTORY, how) for above, how in way if (place := _place(above, outer))]
    place = _place(declaration.path, outer)
    mounts: list[Mounting] = []
    if method == BIND:
        made.append(Made(place, kind, owner))
        mounts.append(_mounting(one, source, place, early=early, waits=declaration.path in facts.waiting))
        for path in one.details.exclude:
            inner = _excluded(one, source, path, owner)
            made += inner[0]
            mounts.append(inner[1])
    else:
        made.append(Made(place, Kind.LINK if method == SYMLINK else Kind.COPY, owner, source))
    return Kept(one, method, source, owner, early, tuple(made), tuple(mounts))


def _method(one: Placement, facts: Facts) -> str:
    if one.method != AUTO:
        return one.method
    return BIND if one.declaration.directory or one.declaration.path in facts.there else SYMLINK


def _place(path: bytes, outer: Mapping[bytes, Placement]) -> bytes:
    """Return where a path is created before anything is mounted: in a declared directory, in its source."""
    for above in ancestors(path):
        if above in outer:
            return source_of(outer[above]) + path[len(above) :]
    return path


def _mounting(one: Placement, source: bytes, place: bytes, *, early: bool, waits: bool) -> Mounting:
    options = [*one.details.options]
    if one.hide:
        options.append("x-gvfs-hide")
    if one.details.trash:
        options.append("x-gvfs-trash")
    declaration = one.declaration
    return Mounting(
        source,
        declaration.path,
        place,
        declaration.directory,
        tuple(dict.fromkeys(options)),
        declaration.persist,
        declaration.source,
        early,
        waits,
    )


def _excluded(one: Placement, source: bytes, path: bytes, owner: Owner) -> tuple[Iterable[Made], Mounting]:
    """Return what has a directory inside a declared one not persist: an empty one of the root over it."""
    place, real = source + b"/" + path, one.declaration.path + b"/" + path
    empty = EXCLUDED + real
    ways = [above for above in reversed(ancestors(place)) if within(above, source) and above != source]
    made = [
        *(Made(above, Kind.DIRECTORY, owner) for above in [*ways, place]),
        *(Made(above, Kind.DIRECTORY, ROOTS) for above in reversed(ancestors(empty))),
        Made(empty, Kind.DIRECTORY, owner),
    ]
    mount = Mounting(empty, real, place, True, (), b"", one.declaration.source)
    return made, mount


def _check(one: Placement, source: bytes, method: str, *, early: bool, facts: Facts) -> None:
    where = one.declaration.source
    for path in _spoken(one, source, method, early=early):
        if (why := systemd_text.unspeakable(path)) is not None:
            raise ConfigError(
                f"{where}: {to_text(path)}: {why}",
                'the initrd takes any name: phase = "initrd", or rename it',
            )
    name = systemd_text.unit_name(one.declaration.path) if method == BIND and not early else ""
    if len(name) > systemd_text.LONGEST_UNIT:
        raise ConfigError(
            f"{where}: {to_text(one.declaration.path)}: the name of its mount unit would have {len(name)} "
            f"characters, and {systemd_text.LONGEST_UNIT} is the most",
            'let method be "symlink", or declare a directory around it',
        )
    if early and one.declaration.persist not in (facts.tops or {}) and one.details.phase == INITRD:
        raise ConfigError(
            f"{where}: {to_text(one.declaration.persist)} is not on the filesystem of the root, "
            "and the initrd mounts no other",
            'leave out phase = "initrd", or keep it in a persist volume on that filesystem',
        )


def _spoken(one: Placement, source: bytes, method: str, *, early: bool) -> Iterator[bytes]:
    """Yield the paths that units and tmpfiles.d have to name."""
    if not early:
        yield one.declaration.path
        yield source
    for path in one.details.exclude:
        yield one.declaration.path + b"/" + path
