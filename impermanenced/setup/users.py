"""Who uses what is copied: services that are stopped meanwhile, and others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..errors import ImpermanenceError
from ..kernel import proc
from ..kernel.holders import Holder, Use, holders
from ..lazy import regex
from ..system.services import is_booted
from ..text import to_text

MOST = 5  # processes that are named

# Nobody could go on without these; what they keep they write anew.
_NEEDED = regex(
    r"(?:dbus|dbus-broker|systemd-logind|systemd-udevd|systemd-networkd|systemd-resolved|NetworkManager|"
    r"networking|ifup@.*|wpa_supplicant(?:@.*)?|iwd|ssh|sshd|ssh@.*|sshd@.*|getty@.*|serial-getty@.*|impermanenced)"
    r"\.service"
)


@dataclass(frozen=True, slots=True)
class Users:
    """Who has something open below what is to be mounted over."""

    services: Mapping[str, list[Holder]]  # they are stopped meanwhile
    left: tuple[Holder, ...]  # others, who go on in what lies under the mounts then


def users(paths: Collection[bytes]) -> Users:
    """Return who uses these paths.

    Raises ImpermanenceError if somebody else than a service has a file open for writing: what is written to
    it later would miss the copy, and whose work that is, only they know.
    """
    services: dict[str, list[Holder]] = {}
    others: dict[int, Holder] = {}
    for path in paths:
        for one in holders(path, lambda _: False):
            if not _is_here(one, path):
                continue
            unit = proc.unit_of(proc.cgroup(one.pid))
            if is_booted() and unit.kind == "system" and unit.name.endswith(".service"):
                services.setdefault(unit.name, []).append(one)
            elif one.pid != 1 and (one.pid not in others or one.use in (Use.WRITES, Use.MAPS)):
                others[one.pid] = one
    if writers := [one for one in others.values() if one.use in (Use.WRITES, Use.MAPS)]:
        raise ImpermanenceError(
            f"open for writing: {named(writers)}; what is written there after the copy would miss it",
            "end these, or log out and run this on a console or by SSH as root; it goes on where it was",
        )
    needed = [one for unit in services if _NEEDED.fullmatch(unit) for one in services[unit]]
    stoppable = {unit: services[unit] for unit in sorted(services) if not _NEEDED.fullmatch(unit)}
    return Users(stoppable, (*others.values(), *needed))


def _is_here(one: Holder, path: bytes) -> bool:
    """Return whether what a process calls by this name is what we do: in a container it is another file."""
    with contextlib.suppress(OSError):  # the process has ended, or the file is deleted
        there = os.stat(b"/proc/%d/root%s" % (one.pid, one.path), follow_symlinks=False)
        return there.st_dev == os.stat(path, follow_symlinks=False).st_dev
    return False


def named(found: Sequence[Holder]) -> str:
    """Return processes in words, with what they use."""
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    words = (f"{to_text(one.path)} ({to_text(proc.comm(one.pid))}, pid {one.pid})" for one in found[:MOST])
    return ", ".join(words) + more
