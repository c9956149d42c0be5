"""The totals of a report: how much the next boot takes away for good, by loss class.

A deletion or changed metadata does not count: the blank brings the file back.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..lazy import NamedTuple
from ..losses import LossClass
from ..model import LOSSES, Change, Report, Verdict

_BROUGHT_BACK = (Change.DELETED, Change.METADATA)


class Share(NamedTuple):
    """The losses of one class."""

    paths: int
    size: int  # bytes


class Tally(NamedTuple):
    """The losses by class."""

    classes: Mapping[LossClass, Share]  # what hurts most first
    complete: bool = True  # False if a part could not be read, or is not shown to this caller
    faults: tuple[str, ...] = ()  # why what is declared would be lost all the same, in words
    used: int | None = None  # bytes that the filesystem holds, where known: no sum is larger

    @property
    def paths(self) -> int:
        """Return the number of paths."""
        return sum(share.paths for share in self.classes.values())

    @property
    def size(self) -> int:
        """Return the number of bytes; a file that was cloned a hundred times does not make more of what
        there is.
        """
        size = sum(share.size for share in self.classes.values())
        return size if self.used is None else min(size, self.used)


def counts(report: Report) -> dict[Verdict, int]:
    """Return how many entries have each verdict; a verdict without entries has 0."""
    found = dict.fromkeys(Verdict, 0)
    for entry in report.entries:
        found[entry.verdict] += 1
    return found


def caches(report: Report) -> int:
    """Return how many of the ignored entries are caches and the like: what no pattern of the user ignores."""
    return sum(entry.verdict is Verdict.IGNORED and entry.loss is not None for entry in report.entries)


def of_report(report: Report, used: int | None = None) -> Tally:
    """Return the totals of a report; `used` is how many bytes its filesystem holds."""
    found: dict[LossClass, list[int]] = {loss: [0, 0] for loss in LossClass}
    for entry in report.entries:
        if entry.verdict in LOSSES and entry.difference.change not in _BROUGHT_BACK:
            share = found[entry.loss or LossClass.UNKNOWN]
            share[0] += 1
            share[1] += entry.difference.held
    for one in report.unlisted:
        found[one.loss][0] += one.paths
        found[one.loss][1] += one.size
    classes = {loss: Share(*share) for loss, share in found.items() if share[0]}
    return Tally(classes, report.complete, report.faults, used)
