"""Everything that `boots` shows: the history, the request for the next boot, and the sizes of old roots."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import btrfsutil

from ..config.load import Config
from ..errors import RecordError
from ..kernel import btrfs
from ..volumes.machine import Machine
from . import good, history, requests
from .history import Boot, History
from .old_roots import Archive
from .prune.sizes import Sizes
from .records import BootRecord
from .requests import Pending
from .unreviewed import unreviewed

try:
    from .journal import LastEntries
except ImportError:  # the package works without the library of the journal
    LastEntries = None  # type: ignore[assignment, misc]

NEWEST = 20  # boots for which a list for people says how they ended


@dataclass(frozen=True, slots=True)
class Listing:
    """The boots and what belongs to them."""

    history: History
    request: Pending | None = None
    sizes: Mapping[bytes, int] = field(default_factory=dict)  # bytes of old roots by path, where measured
    unreviewed: frozenset[int] = frozenset()  # boots that lost something grave, which nobody has looked at
    # By UUID, the blanks that boots were made from and that are no blank of now: their paths; None: deleted.
    earlier: Mapping[str, bytes | None] = field(default_factory=dict)


def read(
    config: Config, machine: Machine, *, newest: int | None = None, ours: bool = True, sizes: bool = False
) -> Listing:
    """Return what is on the disk now.

    The journal is asked how the `newest` boots ended, or with None how all did.  `ours` says that this is the
    running machine, so that what the hook left in /run counts.  With `sizes` the old roots are measured,
    which reads them.  Raises what `history.read` raises.
    """
    found = history.read(
        machine,
        config.archive.directory,
        history.this_boot_id(),
        _last_entry(newest),
        _result() if ours else None,
    )
    request = requests.pending(machine) if machine.has_state() else None
    waiting = unreviewed(machine, found.archive, config.archive.keep_unreviewed)
    measured = _sizes(config, machine) if sizes else {}
    return Listing(found, request, measured, frozenset(waiting), _earlier(found, machine))


def lasted(boot: Boot) -> float | None:
    """Return for how many seconds a boot that has ended was up, by its last entry in the journal, or None."""
    if boot.time is None or boot.last_entry is None or boot.last_entry < boot.time:
        return None
    return boot.last_entry - boot.time


def _earlier(found: History, machine: Machine) -> dict[str, bytes | None]:
    """Return the blanks that boots were made from and that are no blank of now, as `Listing.earlier`."""
    now = {machine.subvolume(one.blank_id).uuid for one in machine.volumes if one.blank_id is not None}
    used = {
        volume.source_uuid
        for boot in found.boots
        if boot.record is not None and boot.record.action == "wiped"
        for volume in boot.record.volumes
        if volume.source_uuid is not None
    }
    raw = {uuid: bytes.fromhex(uuid.replace("-", "")) for uuid in used}
    return {uuid: _path(machine, raw[uuid]) for uuid in used if raw[uuid] not in now}


def _path(machine: Machine, uuid: bytes) -> bytes | None:
    number = btrfs.by_uuid(machine.top, uuid)
    if number is not None:
        with contextlib.suppress(btrfsutil.BtrfsUtilError):  # deleted a moment ago
            return os.fsencode(btrfsutil.subvolume_path(machine.top, number))
    return None


def _sizes(config: Config, machine: Machine) -> dict[bytes, int]:
    with Archive(config, machine) as archive:
        found = archive.read()
    # Shared data counts for the newest, as when they are pruned.
    sizes = Sizes(machine)
    measured = sizes.of(found, reversed(found.roots))
    return {root.path: measured[root.id] for root in found.roots if root.id not in sizes.faults}


def _result() -> BootRecord | None:
    try:
        return good.result()
    except RecordError:
        return None


def _last_entry(most: int | None) -> Callable[[str], tuple[float, bool] | None]:
    try:
        if LastEntries is not None:
            of, left = LastEntries().of, itertools.count() if most is None else iter(range(most))
            return lambda boot_id: None if next(left, None) is None else of(boot_id)
    except OSError:  # a machine without a journal knows less
        pass
    return _unknown


def _unknown(boot_id: str) -> None:
    return None
