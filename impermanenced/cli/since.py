"""The option `--since`: the part of a report that came after a moment."""

from __future__ import annotations

import datetime
import math
import re

from ..errors import UsageError
from ..lazy import regex
from ..model import Entry, Report
from . import wording

SETTLED, LAST_BOOT = "settled", "-1"
_HINT = 'settled, -1, or a time: 09:30, yesterday, "2026-01-31 18:00", -2h, "10 min ago"'
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = regex(r"(\d{1,6}) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)")
_DAYS = {"today": 0, "yesterday": 1}


def moment(text: str, now: float) -> float:
    """Return a time in words as seconds since 1970.  Raises UsageError if it is no time."""
    ago = text.removeprefix("-") if text.startswith("-") else text.removesuffix(" ago")
    span = _SPAN.fullmatch(ago)
    if span is not None and ago != text:
        return now - int(span[1]) * _UNITS[span[2][0]]
    today = datetime.datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in _DAYS:
        return (today - datetime.timedelta(days=_DAYS[text])).timestamp()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            clock = datetime.time.fromisoformat(text.rjust(text.count(":") * 3 + 2, "0"))
            return datetime.datetime.combine(today, clock).timestamp()
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--since {text}: not a time", _HINT) from None


def _when(entry: Entry) -> int:
    """Return the second in which it was written, as far as that is known."""
    if entry.writer:
        return math.floor(entry.writer.last)
    return (entry.difference.ctime or entry.difference.mtime) // 10**9


def only(report: Report, since: str, now: float) -> tuple[Report, str]:
    """Return the report with the entries that came since then, and that moment in words.

    `-1` stands for what the last boot has not lost already.  Raises UsageError.
    """
    if since == LAST_BOOT:
        entries = tuple(entry for entry in report.entries if not entry.lost)
        return report._replace(entries=entries), "the last boot"
    if since == SETTLED:
        if report.settled is None:
            raise UsageError("--since settled: nobody knows when this boot had settled", _HINT)
        then: float = math.floor(report.settled)
    else:
        then = moment(since, now)
    entries = tuple(entry for entry in report.entries if _when(entry) >= then)
    return report._replace(entries=entries), wording.clock(then, now)
