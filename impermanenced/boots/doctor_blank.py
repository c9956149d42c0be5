"""Examinations of the blank against the system that runs: whether what the next boot starts from mounts the
same, has the configuration, and has the places that it mounts at.

Hard facts
    A file goes with the volume if it lies in the volume itself: one that is mounted or linked from elsewhere
    comes back.  The device number of a file on BTRFS is that of its subvolume.
    systemd makes a mount point that is missing, with all directories above it: as root's, with mode 0755.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..kernel import mounts, openat2
from ..lazy import regex
from ..model import Decision, Volume
from ..paths import ancestors
from ..system import mount_units
from ..text import first_of, to_text
from ..volumes.machine import Machine
from . import remedy
from .doctor import ERROR, LARGEST, WARNING, Finding, fstab_lines
from .examine import BOOTED, WIPED

FSTAB = b"etc/fstab"
CONFIGURATION = (b"etc/impermanence", b"etc/impermanence/config.d", b"etc/impermanence/knowledge.d")
FLEETING = frozenset((b"/dev", b"/proc", b"/run", b"/sys"))  # the kernel and systemd fill these at each boot
MOST = 5  # paths that are named

_SUBVOLUME = regex(rb"(?:^|,)subvol=/*([^,]*)")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A mount that a system asks for."""

    place: str  # the line of the fstab, or the unit
    what: bytes
    options: bytes

    @property
    def subvolume(self) -> bytes:
        found = _SUBVOLUME.findall(self.options)
        return found[-1].rstrip(b"/") if found else b""


@dataclass(frozen=True, slots=True)
class _Sides:
    """The root of a volume and of its blank."""

    volume: Volume
    device: bytes
    now: int  # descriptors
    blank: int

    @property
    def blank_name(self) -> str:
        return to_text(self.volume.blank or b"")

    def in_blank(self, *commands: str) -> tuple[str, ...]:
        return remedy.in_blank(self.device, self.volume.blank or b"", *commands)

    def here(self, path: bytes) -> str:
        """Return where something of the root is in the system that runs, for a command."""
        return shlex.quote(to_text(self.volume.mountpoint.rstrip(b"/") + b"/" + path))

    def there(self, path: bytes) -> str:
        return shlex.quote(f"/mnt/{to_text((self.volume.blank or b'') + b'/' + path)}")


def examine(machine: Machine, decision: Decision) -> list[Finding]:
    """Return what the blank of the root lacks; it is an error where the next boot starts from the blank."""
    risk = ERROR if decision.action in (WIPED, BOOTED) else WARNING
    found: list[Finding] = []
    for volume in machine.volumes:
        if volume.path != b"/" or volume.blank is None:
            continue
        now = os.open(volume.mountpoint, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        blank = os.open(machine.at(volume.blank), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sides = _Sides(volume, machine.device, now, blank)
            found += [*_mounts(sides, risk), *_configuration(sides, risk), *_mount_points(sides)]
        finally:
            os.close(now)
            os.close(blank)
    return found


# What is mounted


def _mounts(sides: _Sides, risk: str) -> Iterator[Finding]:
    """Compare what the system has mounted by files of its own with what the blank's files mount."""
    asked, then = _asked(sides.now, own=True), _asked(sides.blank)
    mounted = _mounted(sides.volume)
    lost = [path for path in asked if path in mounted and path not in then]
    if lost:
        lacks = "has no /etc/fstab" if _facts(sides.blank, FSTAB) is None else "has no such line or unit"
        files = sorted({asked[path].place.partition(":")[0] for path in lost})
        copies = (f"cp -a {sides.here(_path(file))} {sides.there(_path(file))}" for file in files)
        yield Finding(
            risk,
            f"after the next boot nothing mounts {_named(lost)}: here {', '.join(files[:MOST])} does, and "
            f"the blank {sides.blank_name} {lacks}",
            "put what mounts it into the blank",
            commands=sides.in_blank(*copies),
        )
    for path, one in asked.items():
        other = then.get(path)
        if path in mounted and other is not None and _differs(one, other):
            yield Finding(
                WARNING,
                f"the blank {sides.blank_name} mounts something else at {to_text(path)} "
                f"({to_text(other.what)} {to_text(other.subvolume)}, {other.place}) than what runs "
                f"({to_text(one.what)} {to_text(one.subvolume)}, {one.place})",
                "make both the same",
            )


def _asked(root: int, *, own: bool = False) -> Mapping[bytes, _Asked]:
    """Return the mounts that a system asks for, by their places, but for its root.

    With `own`, only those that files of the volume itself ask for.
    """
    found: dict[bytes, _Asked] = {}
    if not own or _is_own(root, FSTAB):
        for number, (what, where, _, options) in fstab_lines(_read(root, FSTAB)):
            found[where] = _Asked(f"/{to_text(FSTAB)}:{number}", what, options)
    for unit in mount_units.read(root):
        if not own or _is_own(root, unit.file):
            found[unit.where] = _Asked(to_text(unit.file), unit.what, unit.options)
    return {where: one for where, one in found.items() if where.startswith(b"/") and where != b"/"}


def _differs(one: _Asked, other: _Asked) -> bool:
    # A device has many names: only two of one kind can be held against each other.
    kinds = {asked.what.partition(b"=")[0] for asked in (one, other)}
    return one.subvolume != other.subvolume or (
        len(kinds) == 1 and b"=" in one.what and one.what != other.what
    )


def _mounted(volume: Volume) -> set[bytes]:
    """Return where something is mounted in the system of a volume, by its paths there."""
    above = volume.mountpoint.rstrip(b"/")
    return {mount.path[len(above) :] for mount in mounts.read() if mount.path.startswith(above + b"/")}


# The configuration


def _configuration(sides: _Sides, risk: str) -> Iterator[Finding]:
    lacks, differs = [], []
    for directory in CONFIGURATION:
        for name in names(sides.now, directory):
            path = directory + b"/" + name
            if not _is_own(sides.now, path):
                continue
            if _facts(sides.blank, path) is None:
                lacks.append(b"/" + path)
            elif _read(sides.now, path) != _read(sides.blank, path):
                differs.append(b"/" + path)
    copy = f"cp -a {sides.here(b'etc/impermanence')} {sides.there(b'etc/')}"
    if lacks:
        yield Finding(
            risk,
            f"the blank {sides.blank_name} lacks the configuration, which is gone after the next boot: "
            f"{_named(lacks)}",
            "put it into the blank",
            commands=sides.in_blank(f"mkdir -p {sides.there(b'etc')}", copy),
        )
    if differs:
        yield Finding(
            WARNING,
            f"the blank {sides.blank_name} has another configuration, which comes back: {_named(differs)}",
            "put this one into the blank",
            commands=sides.in_blank(copy),
        )


# Mount points


def _mount_points(sides: _Sides) -> Iterator[Finding]:
    asked = _asked(sides.blank)
    around = asked.keys() | FLEETING
    missing = [
        path for path in asked if around.isdisjoint(ancestors(path)) and _facts(sides.blank, path) is None
    ]
    if missing:
        made = " ".join(sides.there(path[1:]) for path in missing[:MOST])
        yield Finding(
            WARNING,
            f"the blank {sides.blank_name} has no place to mount at: {_named(missing)}. systemd makes it, as "
            "root's and with mode 0755, with all directories above it",
            "make it in the blank, with the owner and mode that it has here",
            commands=sides.in_blank(f"mkdir -p {made}"),
        )


# Files of either side: nothing is followed


def _is_own(root: int, path: bytes) -> bool:
    """Return whether this is a regular file in the volume itself, which goes with it."""
    facts = _facts(root, path)
    return facts is not None and stat.S_ISREG(facts.st_mode) and facts.st_dev == os.fstat(root).st_dev


def _facts(root: int, path: bytes) -> os.stat_result | None:
    try:
        return openat2.facts(root, path)
    except OSError:
        return None


def _read(root: int, path: bytes) -> bytes:
    try:
        return openat2.read(root, path, LARGEST)
    except OSError:
        return b""


def names(root: int, path: bytes) -> list[bytes]:
    """Return the names in a directory, sorted; none of what cannot be read."""
    try:
        return openat2.names(root, path)
    except OSError:
        return []


def _path(place: str) -> bytes:
    return os.fsencode(place.lstrip("/"))


def _named(paths: list[bytes]) -> str:
    return first_of(sorted(paths), MOST)
