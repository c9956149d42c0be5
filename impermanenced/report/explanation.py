"""What a report says of one path."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError
from ..model import Entry, FileType, Report
from ..paths import PATH_MAX, within
from ..text import to_text


@dataclass(frozen=True, slots=True)
class Explanation:
    """One path of a report."""

    report: Report  # the one that was asked, without its entries
    path: bytes
    entry: Entry | None  # what differs from the blank, if anything does
    subvolume: Entry | None  # the nested subvolume that it is in, and goes with
    below: int  # entries below it


def explain(report: Report, path: bytes) -> Explanation:
    """Return what the report says of an absolute path, whether a volume has it or not."""
    entry, subvolume, below = None, None, 0
    for one in report.entries:
        place = one.difference.path
        if place == path:
            entry = one
        elif within(place, path):
            below += 1
        elif one.difference.type is FileType.SUBVOLUME and within(path, place):
            subvolume = one
    return Explanation(without_entries(report), path, entry, subvolume, below)


def without_entries(report: Report) -> Report:
    """Return the report without its entries."""
    return report._replace(entries=())


def absolute(raw: bytes) -> bytes:
    """Return an absolute path as entries write it.  Raises UsageError if it is none."""
    if not raw.startswith(b"/") or b"\0" in raw or b".." in raw.split(b"/"):
        raise UsageError(f"{to_text(raw[:PATH_MAX])}: not an absolute path", 'a path has no ".." and no NUL')
    return b"/" + b"/".join(part for part in raw.split(b"/") if part not in (b"", b"."))


def on_a_volume(report: Report, raw: bytes) -> bytes:
    """Return the path as entries write it.  Raises UsageError if it is no absolute path, or on no volume."""
    path = absolute(raw)
    if not any(within(path, volume.path) for volume in report.volumes):
        raise UsageError(f"{to_text(path[:PATH_MAX])}: on no volume that is rolled back")
    return path
