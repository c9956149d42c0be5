"""The part of a report that a user may see: root sees everything, another user what belongs to that user."""

from __future__ import annotations

import dataclasses

from ..model import Others, Report


def visible(report: Report, uid: int) -> Report:
    """Return the report for this user, with the sums of what belongs to others."""
    if uid == 0:
        return report
    mine = tuple(entry for entry in report.entries if entry.difference.uid == uid)
    size = sum(entry.difference.held for entry in report.entries if entry.difference.uid != uid)
    others = Others(len(report.entries) - len(mine), size)
    return dataclasses.replace(
        report, complete=report.complete and not others.entries, entries=mine, others=others
    )
