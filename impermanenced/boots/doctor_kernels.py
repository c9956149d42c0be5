"""Examinations of each kernel that a boot loader may start: its modules in the blank, and its initrd.

The program of the initrd knows the kernel that runs; which one boots next, nobody knows for sure.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import CommandError
from ..model import Decision
from ..state import SOURCE
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import initrds, kernels, remedy
from .doctor import ERROR, NOTE, WARNING, Finding
from .examine import UNKNOWN, WIPED, is_set_up
from .kernels import Kernel
from .remedy import Names, Remedy

LACKS_MODULES = "blank-lacks-modules"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a boot loader finds kernels: in the system that runs, or in the blank that comes next."""

    prefix: str  # of its paths
    root: bytes
    kernels: list[Kernel]


def examine(machine: Machine, decision: Decision) -> list[Finding]:
    """Return what is wrong with the kernels; `decision` is that of the next boot."""
    names = remedy.names_of_machine(machine)
    return [*_modules(machine, decision, names), *_initrds(machine)]


def refused(machine: Machine, decision: Decision) -> str | None:
    """Return in words that the newest kernel will be refused when it boots, and what to do, or None.

    It is no more than `decision` says where that is of the kernel, or where the next boot wipes nothing.
    """
    if decision.action != WIPED or _runs(_newest(machine)):
        return None
    for finding in _modules(machine, decision, remedy.names_of_machine(machine)):
        if finding.severity == ERROR:
            to_do = Remedy(finding.hint, finding.commands).line
            return f"{finding.what} ({finding.code}).\n  To do: {to_do}"
    return None


def _newest(machine: Machine) -> Kernel | None:
    root = system_root(machine.volumes)
    return next(iter(kernels.installed(root)), None) if root is not None else None


def _runs(kernel: Kernel | None) -> bool:
    return kernel is not None and kernel.release == os.fsencode(os.uname().release)


def _modules(machine: Machine, decision: Decision, names: Names) -> Iterator[Finding]:
    newest = _newest(machine)
    for volume, kernel in kernels.without_modules(machine):
        if _runs(kernel) and decision.action != UNKNOWN:
            continue
        release = to_text(kernel.release)
        is_newest = newest is not None and kernel.release == newest.release
        blank = to_text(volume.blank or b"")
        yield Finding.with_remedy(
            ERROR if is_newest else WARNING,
            f"{_called(kernel, newest=is_newest)} has no modules in the blank {blank}: "
            "the rollback of its boot will be refused",
            remedy.of(LACKS_MODULES, names._replace(kernel=shlex.quote(release))) or Remedy(""),
            LACKS_MODULES,
        )


# Initrds


def _initrds(machine: Machine) -> Iterator[Finding]:
    root = system_root(machine.volumes)
    if root is None:
        return
    on = is_set_up(machine)
    if not on and not machine.has_state():  # installed, and never set up: each is as it should be
        return
    for place in _places(machine, root):
        for number, kernel in enumerate(place.kernels):
            yield from _initrd(place, kernel, newest=number == 0, on=on)


def _places(machine: Machine, root: bytes) -> Iterator[_Place]:
    """Yield where kernels are; a /boot that lies in the root is the blank's after the next boot."""
    yield _Place("", root, kernels.installed(root))
    for volume in machine.volumes:
        if volume.path == b"/" and volume.blank is not None:
            blank = machine.at(volume.blank)
            yield _Place(to_text(volume.blank), blank, kernels.installed(blank))


def _initrd(place: _Place, kernel: Kernel, *, newest: bool, on: bool) -> Iterator[Finding]:
    which = _called(kernel, newest=newest, blank=place.prefix)
    anew = Remedy("build it anew, with the hook in it", initrds.rebuild(kernel.release, kernel.initrd))
    if place.prefix:
        anew = Remedy(f"build it anew here, and put it into {place.prefix}", anew.commands)
    if kernel.initrd is None:
        if on:
            yield Finding.with_remedy(WARNING, f"{which} has no initrd: its boot rolls nothing back", anew)
        return
    try:
        content = initrds.look(place.root.rstrip(b"/") + kernel.initrd)
    except CommandError as error:
        what = f"the initrd of {which} cannot be looked into: {error.message}"
        yield Finding(WARNING, what, error.hint or "look whether it has impermanence-rollback")
        return
    safe = not place.prefix and len(anew.commands) > 0
    if on and not content.hook:
        what = f"the initrd of {which} has no hook: its boot rolls nothing back"
        yield Finding.with_remedy(ERROR if newest else WARNING, what, anew, safe=safe)
    elif on and not place.prefix and initrds.is_outdated(place.root.rstrip(b"/") + kernel.initrd):
        what = f"the initrd of {which} is older than the hook that is installed: it may have another one"
        yield Finding.with_remedy(WARNING, what, anew, safe=safe)
    elif on and content.record and _has_other_record(place.root, kernel.initrd):
        what = f"the initrd of {which} is older than the record that goes into it, and has another one"
        yield Finding.with_remedy(WARNING, what, anew, safe=safe)
    elif content.hook and not on and content.record:
        what = f"wiping is off, and the initrd of {which} has a record of its own, which goes before that"
        yield Finding.with_remedy(WARNING, what, Remedy("build it anew without the record", anew.commands))
    elif content.hook and not on:
        what = f"wiping is off, and the initrd of {which} still has the hook, which does nothing then"
        yield Finding(NOTE, what, "impermanence setup switches wiping on again")


def _has_other_record(root: bytes, initrd: bytes) -> bool:
    return initrds.is_outdated(root.rstrip(b"/") + initrd, os.path.join(root, SOURCE))


def _called(kernel: Kernel, *, newest: bool, blank: str = "") -> str:
    where = f" of the blank {blank}" if blank else ""
    return f"kernel {to_text(kernel.release)}{where}{', the newest one,' if newest else ''}"


def hooked(machine: Machine) -> bool:
    """Return whether the newest kernel has an initrd with the hook, as far as can be seen."""
    root, kernel = system_root(machine.volumes), _newest(machine)
    if root is None or kernel is None or kernel.initrd is None:
        return False
    try:
        return initrds.look(root.rstrip(b"/") + kernel.initrd).hook
    except CommandError:
        return False
