"""The services that write where something is copied: stopped before, and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..errors import CommandError, ImpermanenceError
from ..kernel import proc
from ..kernel.holders import Holder, Use, holders
from ..lazy import regex
from ..system import command
from ..text import to_text

ACCOUNTS = "impermanence-accounts.service"  # brings changed accounts into the blank at each shutdown
JOURNALD = "systemd-journald.service"
TIMEOUT = 180.0  # seconds that a service may take to stop or start
RUNS = b"/run/systemd/system"  # there if systemd runs, see sd_booted(3)
MOST = 5  # processes that are named

# Nobody could go on without these; what they keep they write anew.
_NEEDED = regex(
    r"(?:dbus|dbus-broker|systemd-logind|systemd-udevd|systemd-networkd|systemd-resolved|NetworkManager|"
    r"networking|ifup@.*|wpa_supplicant(?:@.*)?|iwd|ssh|sshd|ssh@.*|sshd@.*|getty@.*|serial-getty@.*|impermanenced)"
    r"\.service"
)


_DEPENDENTS = tuple(f"--property={name}" for name in ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"))
_KIND = regex(r"\.(?:service|socket|timer|path)$")


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
            if unit.kind == "system" and unit.name.endswith(".service"):
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


def with_dependents(units: Collection[str]) -> tuple[str, ...]:
    """Return the units, and those that stop with them and run now: systemd does not start these again."""
    found = dict.fromkeys(units)
    waiting = [unit for unit in units if unit != JOURNALD]
    while waiting and os.path.isdir(RUNS):
        said = command.run(["systemctl", "show", "--value", *_DEPENDENTS, "--", waiting.pop()])
        for unit in said.decode("utf-8", "surrogateescape").split():
            if unit not in found and _KIND.search(unit) and _runs(unit):
                found[unit] = None
                waiting.append(unit)
    return tuple(found)


def _runs(unit: str) -> bool:
    try:
        command.run(["systemctl", "is-active", "--quiet", "--", unit])
    except CommandError:
        return False
    return True


def stop(units: Collection[str]) -> list[str]:
    """Stop services, and return those that refuse; the journal goes on in /run."""
    refused = []
    if JOURNALD in units:
        command.run(["journalctl", "--relinquish-var"], timeout=TIMEOUT)
    for unit in units:
        if unit != JOURNALD:
            try:
                command.run(["systemctl", "stop", "--", unit], timeout=TIMEOUT)
            except CommandError:  # such as auditd.service, which has RefuseManualStop=
                refused.append(unit)
    return refused


def start(units: Collection[str]) -> None:
    """Start services again; one that fails keeps no other from being started."""
    failed = []
    if JOURNALD in units:
        command.run(["journalctl", "--flush"], timeout=TIMEOUT)
    for unit in units:
        if unit != JOURNALD:
            try:
                command.run(["systemctl", "start", "--", unit], timeout=TIMEOUT)
            except CommandError:
                failed.append(unit)
    if failed:
        named = ", ".join(to_text(os.fsencode(unit)) for unit in failed)
        raise ImpermanenceError(f"these services did not start again: {named}", "systemctl status says why")


def reload() -> None:
    """Have systemd read the units anew, where it runs."""
    if os.path.isdir(RUNS):
        command.run(["systemctl", "daemon-reload"], timeout=TIMEOUT)


def is_there(unit: str) -> bool:
    """Return whether the unit is installed."""
    return any(os.path.exists(f"{above}/lib/systemd/system/{unit}") for above in ("", "/usr"))


def enable(units: Sequence[str]) -> None:
    """Have services start at each boot."""
    if units and shutil.which("systemctl"):
        command.run(["systemctl", "--quiet", "enable", "--", *units], timeout=TIMEOUT)


def disable(unit: str) -> None:
    """Have a service of the package not start any more, if it is installed."""
    if is_there(unit) and shutil.which("systemctl"):
        command.run(["systemctl", "--quiet", "disable", "--", unit], timeout=TIMEOUT)
