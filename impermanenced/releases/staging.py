"""The next release while it is made: a writable snapshot in the state directory's staging/.

What a process that was killed leaves there, the next one removes; after a reboot the hook has archived it,
since it archives whatever lies in staging/, and `prune` removes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import btrfsutil

from ..errors import ImpermanenceError
from ..kernel import btrfs
from ..kernel.btrfs import delete as kernel
from ..state import NEXT_BLANK
from ..text import to_text
from ..volumes.machine import Machine
from .listing import Place, place_of


@contextlib.contextmanager
def staged(machine: Machine, source: bytes) -> Iterator[Place]:
    """Make the next release as a writable snapshot of `source`, and remove it if it is still there at the
    end.

    The lock must be held.  Raises ImpermanenceError if something else has its name.
    """
    discard(machine)
    try:
        btrfsutil.create_snapshot(machine.at(source), machine.at(NEXT_BLANK))
        place = place_of(machine, NEXT_BLANK)
        assert place is not None
        yield place
    except btrfsutil.BtrfsUtilError as error:
        raise OSError(error.errno, f"{error.strerror}", source) from error
    finally:
        discard(machine)


def discard(machine: Machine) -> None:
    """Remove what is staged, with all subvolumes nested in it.  Raises ImpermanenceError for
    anything else.
    """
    place = machine.at(NEXT_BLANK)
    if not os.path.lexists(place):
        return
    found = place_of(machine, NEXT_BLANK)
    if found is None:
        raise ImpermanenceError(f"{to_text(NEXT_BLANK)} is not a subvolume", "move it away")
    delete(machine, found)


def delete(machine: Machine, place: Place) -> None:
    """Delete a subvolume of ours by its number, with those nested in it, if it has still the same UUID."""
    if (found := place_of(machine, place.path)) is None or (found.id, found.uuid) != (place.id, place.uuid):
        raise ImpermanenceError(f"{to_text(place.path)} is not what it was a moment ago", "try again")
    waiting = [place.id]
    for number in waiting:  # it grows as it is read
        waiting += btrfs.Tree(machine.top, number).nested()
    for number in reversed(waiting):
        kernel.snap_destroy(machine.top, number)
