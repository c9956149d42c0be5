"""The facts that a plan needs, looked up in the system that the declarations are of."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable

from ..boots import identity
from ..config.load import Config
from ..config.placement import Placement
from ..errors import ConfigError, NotSetUp
from ..kernel import openat2
from ..kernel.mounts import Mount
from ..paths import within
from ..text import to_text
from ..volumes import placement
from ..volumes.machine import Machine
from .ownership import Accounts
from .places import exists
from .plan import MACHINE_ID, Facts, source_of

_LARGEST = 1 << 20  # bytes of a passwd


def gather(config: Config, machine: Machine, root: int, shown: bytes, table: list[Mount]) -> Facts:
    """Return the facts; `root` is a descriptor of the system's "/", which is mounted at `shown`.

    Raises ConfigError and NotSetUp, which name the declaration or the persist volume that cannot be.
    """
    placements = config.placements
    for found in placement.misplaced(config.persist, machine.volumes):
        raise NotSetUp(found.words, found.hint)
    for persist in sorted({one.declaration.persist for one in placements}):
        _check_store(root, persist)
    native = shown == b"/"
    there: set[bytes] = set()
    waiting: set[bytes] = set()
    for one in placements:
        path = one.declaration.path
        kept = _has_data(root, source_of(one), one)
        if kept:
            there.add(path)
        elif path != MACHINE_ID and _has_data(root, path, one):
            waiting.add(path)
    return Facts(
        accounts((*placements, *(one.placement for one in config.given)), root, native=native),
        frozenset(there),
        frozenset(waiting),
        dict(_tops(config, machine, shown, table)),
        identity.filesystem_uuid(machine),
    )


def _check_store(root: int, persist: bytes) -> None:
    shown = to_text(persist)
    try:
        facts = exists(root, persist)
    except OSError as error:
        raise NotSetUp(
            f"the persist volume {shown}: {error.strerror}", "name the place itself, no link"
        ) from None
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        raise NotSetUp(
            f"the persist volume {shown} is not there", f"make a subvolume for it, and mount it at {shown}"
        )
    fd = openat2.open_directory(root, persist)
    try:
        # Of a subvolume that is read-only itself, the mount does not say so.
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY or not os.access(b"/proc/self/fd/%d" % fd, os.W_OK):
            raise NotSetUp(f"the persist volume {shown} is read-only", "mount it so that it can be written")
    finally:
        os.close(fd)


def _has_data(root: int, path: bytes, one: Placement) -> bool:
    """Return whether there is something to lose at a path.  Raises ConfigError for another kind of thing."""
    facts = _at(root, path, one)
    if facts is None or stat.S_ISLNK(facts.st_mode):
        return False
    if stat.S_ISDIR(facts.st_mode) != one.declaration.directory:
        kind, found = ("directory", "file")[:: 1 if one.declaration.directory else -1]
        raise ConfigError(
            f"{one.declaration.source}: {to_text(path)} is declared as a {kind}, and is a {found}",
            f"declare it among the {'files' if one.declaration.directory else 'directories'}",
        )
    if not stat.S_ISDIR(facts.st_mode):
        return facts.st_size > 0
    fd = openat2.open_directory(root, path, os.O_RDONLY)
    try:
        with os.scandir(fd) as entries:
            return next(entries, None) is not None
    finally:
        os.close(fd)


def _at(root: int, path: bytes, one: Placement) -> os.stat_result | None:
    try:
        return exists(root, path)
    except OSError as error:
        raise ConfigError(
            f"{one.declaration.source}: {to_text(path)}: {error.strerror}",
            "a declared path must not lead through a symbolic link",
        ) from None


def _tops(
    config: Config, machine: Machine, shown: bytes, table: list[Mount]
) -> Iterable[tuple[bytes, bytes]]:
    """Yield the persist volumes on the filesystem of the volumes, each with its path from the top level."""
    ours = {mount.device for mount in table if mount.path in {one.mountpoint for one in machine.volumes}}
    for persist in config.persist:
        place = shown.rstrip(b"/") + persist
        mounts = [mount for mount in table if within(place, mount.path)]
        mount = max(reversed(mounts), key=lambda one: len(one.path), default=None)
        if mount is not None and mount.device in ours:
            below = place[len(mount.path.rstrip(b"/")) :]
            yield persist, (mount.root.rstrip(b"/") + below).strip(b"/")


def accounts(placements: Iterable[Placement], root: int, *, native: bool) -> Accounts:
    """Return the users and groups that the declarations name, as far as the system has them."""
    owned = [own for one in placements for own in (one.own, one.parent, one.details.default)]
    users = {name for own in owned if (name := own.user)} | {one.user for one in placements if one.user}
    groups = {name for own in owned if (name := own.group)}
    known = _users(users) if native else _users_in(_lines(root, b"/etc/passwd"))
    names = _groups(groups) if native else _groups_in(_lines(root, b"/etc/group"))
    known = {"root": (0, 0)} | known | {name: (int(name), 0) for name in users if name.isdecimal()}
    names = {"root": 0} | names | {name: int(name) for name in groups if name.isdecimal()}
    return Accounts(known, names)


def _users(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    found = {}
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        found[name] = (entry.pw_uid, entry.pw_gid)
    return found


def _groups(names: Iterable[str]) -> dict[str, int]:
    found = {}
    for name in names:
        try:
            found[name] = grp.getgrnam(name).gr_gid
        except KeyError:
            continue
    return found


def _lines(root: int, path: bytes) -> list[list[str]]:
    try:
        content = openat2.read(root, path, _LARGEST)
    except OSError:
        return []
    return [line.split(":") for line in content.decode("utf-8", "replace").splitlines()]


def _users_in(lines: list[list[str]]) -> dict[str, tuple[int, int]]:
    return {
        line[0]: (int(line[2]), int(line[3]))
        for line in lines
        if len(line) == 7 and line[2].isdecimal() and line[3].isdecimal()
    }


def _groups_in(lines: list[list[str]]) -> dict[str, int]:
    return {line[0]: int(line[2]) for line in lines if len(line) == 4 and line[2].isdecimal()}
