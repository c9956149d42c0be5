"""What comes along when a release becomes the blank: the running /boot, and modules for a root
that is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..boots import kernels, loaders
from ..errors import ImpermanenceError
from ..kernel import openat2
from ..model import Difference, Volume
from ..text import to_text
from ..volumes.machine import Machine
from . import boot, copies, listing, promotion
from .boot import Brought


@dataclass(frozen=True, slots=True)
class Along:
    """What was done in the running system."""

    brought: Brought
    kernel: str | None = None  # that the boot loader starts next, as far as names tell
    note: str | None = None  # why the release takes two boots


NOTHING = Along(Brought())


def bring(
    machine: Machine, volume: Volume, changes: Sequence[Difference], gone: Iterable[bytes] = ()
) -> Along:
    """Bring /boot along for the blank; `changes` are the differences from the one before.  It never raises
    ImpermanenceError or OSError: the release is the blank already.
    """
    if volume.path != b"/":
        return NOTHING
    place = listing.place_of(machine, volume.blank or b"")
    brought, note = Brought(), None
    try:
        if place is not None and changes:
            with openat2.root(volume.mountpoint) as live, promotion.opened(machine, place) as release:
                _bring_modules(volume.mountpoint, machine.at(place.path), live, release)
                brought = boot.bring(live, release, changes, gone)
    except (ImpermanenceError, OSError) as error:
        note = f"the running /boot could not be brought along: {error}; it takes two boots"
    kernel = loaders.next_kernel(volume.mountpoint)
    release_name = None if kernel is None else kernel.release
    if note is None and release_name is not None and place is not None:
        have = kernels.releases(machine.at(place.path))
        if have and release_name not in have:
            note = (
                f"the boot loader starts {to_text(release_name)} next, for which the release has no modules: "
                "that boot keeps the root"
            )
    return Along(brought, None if release_name is None else to_text(release_name), note)


def _bring_modules(live_path: bytes, release_path: bytes, live: int, release: int) -> None:
    for name in sorted(kernels.releases(release_path) - kernels.releases(live_path)):
        for base in kernels.MODULES:
            with contextlib.suppress(ImpermanenceError):  # a link on the way: it is in the other place
                copies.one(release, live, b"/%s/%s" % (base, name))
