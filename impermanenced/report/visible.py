"""What somebody may see of a report: root everything, others what belongs to them."""

from __future__ import annotations

import dataclasses

from ..model import Others, Report


def visible(report: Report, uid: int) -> Report:
    """The report for this user: their entries, and the sums of what belongs to others."""
    if uid == 0:
        return report
    mine = tuple(entry for entry in report.entries if entry.difference.uid == uid)
    size = sum(entry.difference.size for entry in report.entries if entry.difference.uid != uid)
    others = Others(len(report.entries) - len(mine), size)
    return dataclasses.replace(
        report, complete=report.complete and not others.entries, entries=mine, others=others
    )
