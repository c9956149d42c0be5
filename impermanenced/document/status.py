"""The documents of `status --json` and `diff --json`: the public part of a report."""

from __future__ import annotations

from ..model import LOSSES, Entry, Report
from ..report import totals
from ..report.forecast import fate
from .fields import Object
from .report import entry_to_json, head_to_json, volume_to_json


def status_to_json(report: Report, *, all_verdicts: bool, since: str | None = None) -> Object:
    """Return the object with the losses, or with every entry; `counts` covers all in either case.

    `since` says in words that the report has only what came since then.
    """
    return {
        **head_to_json(report),
        **({} if since is None else {"since": since}),
        "volumes": [volume_to_json(volume) for volume in report.volumes],
        "counts": {verdict.value: count for verdict, count in totals.counts(report).items()},
        "caches": totals.caches(report),
        "entries": [
            {**_without_letters(entry), "afterwards": fate(entry, report.forecast)}
            for entry in report.entries
            if all_verdicts or entry.verdict in LOSSES
        ],
    }


def _without_letters(entry: Entry) -> Object:
    fields = entry_to_json(entry)
    del fields["letters"]
    return fields


def diff_to_json(report: Report) -> Object:
    """Return the document with every entry and its letters."""
    return {
        **head_to_json(report),
        "volumes": [volume_to_json(volume) for volume in report.volumes],
        "entries": [entry_to_json(entry) for entry in report.entries],
    }
