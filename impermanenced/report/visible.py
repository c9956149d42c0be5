"""The part of a report that a user may see: root sees everything, another user what belongs to that user.

What belongs to others is a sum, and a sum that is exact shows each of their writes to who looks at it again
and again.  So sums of others are only known to a power of two, and small ones not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from ..model import Entry, Others, Report, Unlisted
from ..paths import PATH_MAX
from . import totals

LEAST_COUNT = 16  # entries
LEAST_SIZE = 1 << 20  # bytes

LONG = 2 << 20  # bytes of paths longer than PATH_MAX that are listed for one owner
ALL = 256 << 20  # bytes of all paths, as they are written, that are listed for one owner
WRITTEN = 5  # times as long as it is, or more, a path is written that is not ASCII


def visible(report: Report, uid: int) -> Report:
    """Return the report for this user, with the sums of what belongs to others."""
    if uid == 0:
        return report
    mine = tuple(entry for entry in report.entries if entry.difference.uid == uid)
    size = sum(entry.difference.held for entry in report.entries if entry.difference.uid != uid)
    others = Others(blurred(len(report.entries) - len(mine), LEAST_COUNT), blurred(size, LEAST_SIZE))
    return report._replace(complete=report.complete and not others.entries, entries=mine, others=others)


def blurred(exact: int, least: int) -> int:
    """Return the power of two that a sum of others is no more than, `least` for all that are smaller; 0 for
    nothing.
    """
    return max(least, 1 << (exact - 1).bit_length()) if exact > 0 else 0


def listed(report: Report, owner_of: Callable[[int], int]) -> Report:
    """Return the report without what would make a list of it too long because of one owner's paths.

    What hurts least is left out first; a note says how many, and `unlisted` what they come to.  Root's
    entries are all listed.
    """
    sizes: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for entry in report.entries:
        found = sizes[entry.difference.uid]
        found[0] += _written(entry)
        found[1] += len(entry.difference.path) if len(entry.difference.path) > PATH_MAX else 0
    owners: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for uid, (written, long) in sizes.items():
        owner = owners[owner_of(uid)]
        owner[0] += written
        owner[1] += long
    if all(owner == 0 or (written <= ALL and long <= LONG) for owner, (written, long) in owners.items()):
        return report
    return _shortened(report, owner_of)


def _shortened(report: Report, owner_of: Callable[[int], int]) -> Report:
    left: dict[int, list[int]] = defaultdict(lambda: [ALL, LONG])
    kept: set[int] = set()
    entries = report.entries
    for index in sorted(range(len(entries)), key=lambda index: -entries[index].score):
        entry = entries[index]
        length = len(entry.difference.path)
        if entry.difference.uid != 0:
            room = left[owner_of(entry.difference.uid)]
            if room[0] < _written(entry) or (length > PATH_MAX and room[1] < length):
                continue
            room[0] -= _written(entry)
            room[1] -= length if length > PATH_MAX else 0
        kept.add(index)
    dropped = tuple(entry for index, entry in enumerate(entries) if index not in kept)
    note = f"not listed: {len(dropped):,} paths of users whose paths are too long or too many"
    sums = totals.of_report(report._replace(entries=dropped)).classes
    return report._replace(
        complete=False,
        entries=tuple(entry for index, entry in enumerate(entries) if index in kept),
        notes=(*report.notes, note),
        unlisted=tuple(Unlisted(loss, *share) for loss, share in sums.items()),
    )


def _written(entry: Entry) -> int:
    path = entry.difference.path
    return len(path) * (1 if path.isascii() and b"\\" not in path else WRITTEN)
