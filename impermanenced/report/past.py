"""What a boot lost: its old roots, judged as the running root is.

The rules, the knowledge and the packages are asked as for a report.  What was mounted then nobody knows any
more: a declared directory was the place of a mount, and what stands there is no loss.  The systemd that runs
is not asked about an old root, and tmpfiles.d neither, since the programs would look at the running system.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..boots.boot_id import this_boot_id
from ..boots.history import Boot, History, old_roots_of, read
from ..boots.moments import Root, of_boot, opened
from ..boots.old_roots import Archive, OldRoot
from ..boots.records import EndRecord
from ..config.load import Config
from ..drift import Whole
from ..errors import ImpermanenceError
from ..losses import LossClass, weight
from ..model import LOSSES, Change, Difference, Entry, FileType, Verdict, Volume
from ..state import NO_BOOT_ID
from ..system.systemd import NoSystemd
from ..text import failure_to_text
from ..volumes.machine import Machine
from . import appraisal
from .appraisal import Judged, VolumeFacts
from .appraisal.old_roots import OldRootTree
from .knowledge import load as load_knowledge
from .rules import Rules

_BROUGHT_BACK = (Change.DELETED, Change.METADATA)


@dataclass(frozen=True, slots=True)
class Lost:
    """What one volume lost at the end of a boot."""

    entries: tuple[Entry, ...]  # of all verdicts, sorted by path
    complete: bool  # False if a part could not be read, or was not listed

    @property
    def losses(self) -> list[Entry]:
        """Return the entries that were lost for good: the blank brings the others back."""
        return [
            entry
            for entry in self.entries
            if entry.verdict in LOSSES and entry.difference.change not in _BROUGHT_BACK
        ]


def lost(config: Config, machine: Machine, history: History, volume: Volume, boot: Boot, root: Root) -> Lost:
    """Judge an old root of a volume.  Raises OSError, and ImpermanenceError if it is being pruned."""
    blank_id, blank = _blank_of(machine, volume, boot)
    then = volume._replace(subvolume=root.path, root_id=root.id, blank=blank, blank_id=blank_id)
    with opened(root, machine):
        machine.sync()
        drift = Whole(machine.top, then, machine.baseline(then))
        facts = _facts(machine, history, then, boot)
        with facts:
            judged = list(_judge(config, drift.differences()))
            entries = appraisal.appraise(facts, judged, time.time())
        return Lost(tuple(entries), drift.complete)


def _blank_of(machine: Machine, volume: Volume, boot: Boot) -> tuple[int | None, bytes | None]:
    """Return id and path of the blank that the boot began with, if it is still there, or else of the present
    one.
    """
    made = [one for one in boot.record.volumes if one.name == volume.name] if boot.record else []
    uuid = made[0].source_uuid if made and boot.record and boot.record.action == "wiped" else None
    if uuid is not None:
        raw = bytes.fromhex(uuid.replace("-", ""))
        found = machine.subvolumes().get(raw)
        if found is not None and made[0].source:
            return found.id, made[0].source
    return volume.blank_id, volume.blank


def _facts(machine: Machine, history: History, volume: Volume, boot: Boot) -> VolumeFacts:
    return VolumeFacts(
        volume,
        machine.at(volume.subvolume),
        machine.at(volume.blank) if volume.blank is not None else None,
        None,
        NoSystemd(),
        lambda homes: load_knowledge(homes=homes),
        lambda: _before(machine, history, volume, boot),
        boot.boot_id or "",
    )


def _before(machine: Machine, history: History, volume: Volume, boot: Boot) -> list[OldRootTree]:
    """Return the old roots of the boots before one, the newest first: they are its evidence."""
    roots = list(old_roots_of(history, machine, volume))
    at = next((place for place, (one, _) in enumerate(roots) if one is boot), len(roots))
    return [
        OldRootTree(one.number, machine.at(root.path), one.boot_id or "") for one, root in roots[at + 1 :]
    ]


def _judge(config: Config, differences: Iterable[Difference]) -> Iterator[Judged]:
    rules = Rules(config.declarations, (), config.ignore, config.persist)
    for difference in differences:
        ruling = rules.judge(difference)
        verdict, words = ruling.verdict, ruling.words
        if verdict is Verdict.DECLARED and _was_place(difference):
            verdict, words = Verdict.PERSISTED, "declared: what was mounted there is not known any more"
        yield Judged(difference, verdict, words, None, False, ())


def _was_place(difference: Difference) -> bool:
    """Tell whether this may have been the place of a mount or a link: it holds nothing itself."""
    if difference.type is FileType.FILE:
        return difference.size == 0
    return difference.type in (FileType.DIRECTORY, FileType.SYMLINK)


def summary(boot: Boot, found: Sequence[Lost], now: float) -> EndRecord:
    """Return the record of what a boot lost, in all of its volumes."""
    losses = [entry for one in found for entry in one.losses]
    return EndRecord(
        boot_id=boot.boot_id or NO_BOOT_ID,
        time=int(max(now, 0)),
        crud=len(losses),
        size=sum(entry.difference.held for entry in losses),
        complete=all(one.complete for one in found),
        worst=worst_of(losses),
    )


def look_at(
    config: Config, machine: Machine, archive: Archive, roots: Iterable[OldRoot], *, note: bool
) -> dict[int, str]:
    """Look at what the boots of these old roots lost, where that is not known, and return {id of an old root:
    why it waits to be reviewed, or cannot be judged}; with `note` it is recorded as well.

    A failure of one old root is its reason, and leaves the others their turn.
    """
    known = archive.read().lost
    history = read(machine, archive.path, this_boot_id())
    waiting: dict[int, str] = {}
    by_boot: dict[int, list[OldRoot]] = {}
    for root in roots:
        if root.number is not None and not (root.number in known and _tells(known[root.number])):
            by_boot.setdefault(root.number, []).append(root)
    for number, mine in by_boot.items():
        try:
            record = _of_boot(config, machine, history, number)
            if note:
                archive.note_lost(number, record)
            why = f"not reviewed: it lost {record.worst}"
            if record.worst not in config.archive.keep_unreviewed:
                continue
        except (ImpermanenceError, OSError) as error:
            why = f"what it lost cannot be told: {failure_to_text(error)}"
        waiting |= {root.id: why for root in mine}
    return waiting


def _tells(record: EndRecord) -> bool:
    """Tell whether a record has the worst class, or nothing was lost."""
    return record.worst is not None or (record.crud == 0 and record.complete)


def _of_boot(config: Config, machine: Machine, history: History, number: int) -> EndRecord:
    boot = history.boot(number)
    moment = of_boot(boot, history, machine)
    found = [
        lost(config, machine, history, volume, boot, moment.roots[volume.name])
        for volume in machine.volumes
        if volume.name in moment.roots
    ]
    return summary(boot, found, time.time())


def worst_of(entries: Iterable[Entry]) -> LossClass | None:
    """Return the worst loss class of some entries, or None if there are none."""
    return max((entry.loss or LossClass.UNKNOWN for entry in entries), key=weight, default=None)
