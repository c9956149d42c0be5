"""The package managers: the command that updates a system, and those that repeat what was done in another
one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ImpermanenceError
from ..kernel import openat2
from ..text import to_text
from .versions import Manager, Package

# (the program that a system has, the commands that update it): the first that is there.
UPDATES: tuple[tuple[bytes, tuple[tuple[str, ...], ...]], ...] = (
    (
        b"/usr/bin/apt-get",
        (("apt-get", "-o", "APT::Update::Error-Mode=any", "update"), ("apt-get", "--yes", "full-upgrade")),
    ),
    (b"/usr/bin/dnf", (("dnf", "--assumeyes", "upgrade"),)),
    (b"/usr/bin/zypper", (("zypper", "--non-interactive", "dup"),)),
    (b"/usr/bin/pacman", (("pacman", "--noconfirm", "-Syu"),)),
)
LOCKS = (
    b"/var/lib/dpkg/lock-frontend",
    b"/var/lib/dpkg/lock",
    b"/usr/lib/sysimage/rpm/.rpm.lock",
    b"/var/lib/rpm/.rpm.lock",
)
MARKS = (b"/var/lib/pacman/db.lck", b"/run/zypp.pid")  # files that are there while it works
ARCHIVES = {
    Manager.DPKG: b"/var/cache/apt/archives",
    Manager.PACMAN: b"/var/cache/pacman/pkg",
}


@dataclass(frozen=True, slots=True)
class Repetition:
    """What makes one root's packages those of another one."""

    commands: tuple[tuple[str, ...], ...]
    fetched: tuple[str, ...] = ()  # packages that are not among the downloads, and come from the network


def update(root: int) -> tuple[tuple[str, ...], ...]:
    """Return the commands that update the system at a descriptor.  Raises ImpermanenceError."""
    for program, commands in UPDATES:
        if openat2.exists_inside(root, program):
            return commands
    names = ", ".join(os.path.basename(to_text(program)) for program, _ in UPDATES)
    raise ImpermanenceError(
        f"the blank has none of {names}", "name the command: impermanence update -- COMMAND"
    )


def refuse_busy(root: bytes) -> None:
    """Raise ImpermanenceError if a package manager is at work in the system whose root is at this path."""
    for path in LOCKS:
        place = root.rstrip(b"/") + path
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            fd = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise _busy(path) from None
            finally:
                os.close(fd)
    for path in MARKS:
        if os.path.lexists(root.rstrip(b"/") + path):
            raise _busy(path)


def _busy(path: bytes) -> ImpermanenceError:
    what = f"a package manager is at work ({to_text(path)}); nothing was changed"
    return ImpermanenceError(what, "wait for it to end, and try again")


def repeat(manager: Manager | None, packages: Sequence[Package], archives: Sequence[bytes]) -> Repetition:
    """Return the commands that install, change and remove these packages as they were in another root.

    `archives` are the names of the packages that were downloaded.  Raises ImpermanenceError for a package
    manager that is not known.
    """
    wanted = [one for one in packages if one.after is not None]
    gone = [one.name for one in packages if one.after is None]
    match manager:
        case Manager.DPKG:
            return _repeat_dpkg(wanted, gone, set(archives))
        case Manager.PACMAN:
            return _repeat_pacman(wanted, gone, archives)
        case Manager.RPM:
            return _repeat_rpm(wanted, gone)
    raise ImpermanenceError("no package database that is known", "impermanence update -- COMMAND")


def _repeat_dpkg(wanted: Sequence[Package], gone: Sequence[str], archives: set[bytes]) -> Repetition:
    files = {one.name: _deb(one) for one in wanted}
    fetched = [one for one in wanted if files[one.name].encode() not in archives]
    commands: list[tuple[str, ...]] = []
    place = ARCHIVES[Manager.DPKG].decode()
    if fetched:  # apt finds an order with what it fetches
        words = [f"{one.name.removesuffix(':all')}={one.after}" for one in wanted]
        commands.append(("apt-get", "--yes", "--allow-downgrades", "install", *words))
    elif wanted:
        commands.append(("dpkg", "--install", *(f"{place}/{name}" for name in files.values())))
    if gone:
        commands.append(("dpkg", "--remove", *(name.removesuffix(":all") for name in gone)))
    return Repetition(tuple(commands), tuple(one.name for one in fetched))


def _deb(package: Package) -> str:
    name, _, architecture = package.name.partition(":")
    version = (package.after or "").replace("%", "%25").replace(":", "%3a")
    return f"{name}_{version}_{architecture}.deb"


def _repeat_pacman(wanted: Sequence[Package], gone: Sequence[str], archives: Sequence[bytes]) -> Repetition:
    place = ARCHIVES[Manager.PACMAN].decode()
    files, fetched = [], []
    for one in wanted:
        pattern = re.compile(
            re.escape(f"{one.name}-{one.after}-").encode() + rb"[^-]+\.pkg\.tar(?:\.[a-z0-9]+)?"
        )
        found = next((name for name in archives if pattern.fullmatch(name)), None)
        if found is None:
            fetched.append(one.name)
        else:
            files.append(f"{place}/{to_text(found)}")
    commands: list[tuple[str, ...]] = []
    if files:
        commands.append(("pacman", "--noconfirm", "-U", *files))
    if fetched:
        commands.append(("pacman", "--noconfirm", "-S", *fetched))
    if gone:
        commands.append(("pacman", "--noconfirm", "-R", *gone))
    return Repetition(tuple(commands), tuple(fetched))


def _repeat_rpm(wanted: Sequence[Package], gone: Sequence[str]) -> Repetition:
    words = [f"{one.name.rpartition('.')[0]}-{one.after}.{one.name.rpartition('.')[2]}" for one in wanted]
    commands: list[tuple[str, ...]] = []
    if words:
        commands.append(("dnf", "--assumeyes", "--cacheonly", "--allowerasing", "install", *words))
    if gone:
        commands.append(("dnf", "--assumeyes", "remove", *gone))
    return Repetition(tuple(commands))
