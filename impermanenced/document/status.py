"""The documents of `status --json` and `diff --json`: the public part of a report."""

from __future__ import annotations

from ..boots.examine import Decision
from ..model import Entry, Report, Verdict
from ..report import totals
from .fields import Object
from .report import entry_to_json, head_to_json, volume_to_json


def status_to_json(
    report: Report, *, all_verdicts: bool, since: str | None = None, next_boot: Decision
) -> Object:
    """Return the object with the losses, or with every entry; `counts` covers all in either case.

    `since` says in words that the report has only what came since then; `next_boot` is the decision of the
    next boot.
    """
    return {
        **head_to_json(report),
        **({} if since is None else {"since": since}),
        "volumes": [volume_to_json(volume) for volume in report.volumes],
        "counts": {verdict.value: count for verdict, count in totals.counts(report).items()},
        "caches": totals.caches(report),
        "next_boot": _decision_to_json(next_boot),
        "entries": [
            _without_letters(entry)
            for entry in report.entries
            if all_verdicts or entry.verdict is Verdict.CRUD
        ],
    }


def _decision_to_json(decision: Decision) -> Object:
    return {
        "action": decision.action,
        "boot": decision.boot,
        "reason": decision.why or None,
        "reason_code": decision.code,
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
