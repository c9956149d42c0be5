"""Examinations of each kernel that a boot loader may start: its modules in the blank, and its initrd.

The program of the initrd is asked about the kernel that boots next as well (`loaders`); somebody may choose
another one in the menu.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import CommandError
from ..model import Decision
from ..state import SOURCE
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import initrds, kernels, loaders, remedy
from .doctor import ERROR, NOTE, WARNING, Finding
from .examine import UNKNOWN, is_set_up
from .kernels import Kernel
from .remedy import Names, Remedy

LACKS_MODULES = "blank-lacks-modules"
NEWEST, NEXT = "the newest one", "which the boot loader starts next"


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


def _next(machine: Machine) -> Kernel | None:
    root = system_root(machine.volumes)
    return loaders.next_kernel(root) if root is not None else None


def _modules(machine: Machine, decision: Decision, names: Names) -> Iterator[Finding]:
    first, root = _next(machine), system_root(machine.volumes)
    installed = kernels.installed(root) if root is not None else []
    for volume, kernel in kernels.without_modules(machine):
        if kernel.release == loaders.next_release(root) and decision.action != UNKNOWN:
            continue  # the program of the initrd has been asked
        release = to_text(kernel.release)
        is_first = first is not None and kernel.release == first.release
        blank = to_text(volume.blank or b"")
        yield Finding.with_remedy(
            ERROR if is_first else WARNING,
            f"{_called(kernel, _which(installed, first, kernel))} has no modules in the blank {blank}: "
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
        first = loaders.next_kernel(place.root)
        for kernel in place.kernels:
            which = _which(place.kernels, first, kernel)
            yield from _initrd(place, kernel, which, is_first=kernel == first, on=on)


def _places(machine: Machine, root: bytes) -> Iterator[_Place]:
    """Yield where kernels are; a /boot that lies in the root is the blank's after the next boot."""
    yield _Place("", root, kernels.installed(root))
    for volume in machine.volumes:
        if volume.path == b"/" and volume.blank is not None:
            blank = machine.at(volume.blank)
            yield _Place(to_text(volume.blank), blank, kernels.installed(blank))


def _initrd(place: _Place, kernel: Kernel, words: str, *, is_first: bool, on: bool) -> Iterator[Finding]:
    which = _called(kernel, words, blank=place.prefix)
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
        yield Finding.with_remedy(ERROR if is_first else WARNING, what, anew, safe=safe)
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


def _which(installed: Sequence[Kernel], first: Kernel | None, kernel: Kernel) -> str:
    """Return what distinguishes a kernel, in words; "" for one that boots only if somebody chooses it."""
    if first is None or kernel.release != first.release:
        return ""
    return NEWEST if kernel.release == installed[0].release else NEXT


def _called(kernel: Kernel, words: str, *, blank: str = "") -> str:
    where = f" of the blank {blank}" if blank else ""
    return f"kernel {to_text(kernel.release)}{where}{f', {words},' if words else ''}"


def hooked(machine: Machine) -> bool:
    """Return whether the kernel that boots next has an initrd with the hook, as far as can be seen."""
    root, kernel = system_root(machine.volumes), _next(machine)
    if root is None or kernel is None or kernel.initrd is None:
        return False
    try:
        return initrds.look(root.rstrip(b"/") + kernel.initrd).hook
    except CommandError:
        return False
