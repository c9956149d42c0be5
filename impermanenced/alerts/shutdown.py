"""The last words before a shutdown: what is about to be lost, the worst first, and a record of the sum."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..boots import records, requests
from ..boots.records import EndRecord
from ..errors import CommandError, ImpermanenceError
from ..losses import LossClass, weight
from ..model import LOSSES, Report
from ..report import totals
from ..report.forecast import why
from ..state import BootFile, boot_file
from ..system import atomic, command, journal, logger
from ..text import failure_to_text, size_to_text
from ..volumes.machine import Machine
from . import group
from .announce import describe
from .group import Alert

WORST = 5  # groups of each account that are named
WALL_TIMEOUT = 3.0  # seconds; logind waits for five by default

log = logger.get()


@dataclass(frozen=True, slots=True)
class ShutdownSummary:
    """The sum of what is about to be lost."""

    count: int  # paths that do not persist
    size: int  # the bytes of these
    complete: bool
    worst: tuple[Alert, ...]
    spared: str | None  # why the next boot takes nothing away; None if it may take something
    loss: LossClass | None = None  # the worst class of what is lost for good


def compose(report: Report) -> ShutdownSummary:
    """Return the last words on a report."""
    lost = [entry for entry in report.entries if entry.verdict in LOSSES]
    return ShutdownSummary(
        count=len(lost),
        size=sum(entry.difference.held for entry in lost),
        complete=report.complete,
        loss=max(totals.of_report(report).classes, key=weight, default=None),
        worst=tuple(group.worst(group.group(lost), WORST)[0]),
        spared=None if report.forecast is None else why(report.forecast),
    )


def message(summary: ShutdownSummary) -> str:
    """Return the first line."""
    paths = "1 path" if summary.count == 1 else f"{summary.count} paths"
    sums = f"{'' if summary.complete else 'at least '}{paths}, {size_to_text(summary.size)}"
    if summary.spared is not None:
        return f"{summary.spared}: the next boot does not take away {sums}"
    return f"the next boot takes away {sums}"


def cut_message(seconds: float, unseen: int, at: float | None, *, begun: bool) -> str:
    """Return the line about a last report that was not finished within its time, or not begun for that.

    `unseen` paths were written to since the report that stands in for it, which began `at`, in seconds since
    1970; None stands for none.
    """
    paths = "1 path" if unseen == 1 else f"{unseen} paths"
    cut = f"was cut at {seconds:g} s" if begun else f"would take longer than {seconds:g} s"
    if at is None:
        return f"the last report {cut}, and there is none before it: {paths} not looked at"
    when = time.strftime("%H:%M:%S", time.localtime(at))
    return f"the last report {cut}: {paths} written to since {when} not looked at"


def say_cut(seconds: float, unseen: int, at: float | None, *, begun: bool) -> None:
    """Log that the last report was cut."""
    fields: dict[str, journal.Value] = {"MESSAGE_ID": journal.MESSAGE_CUT, "IMPERMANENCE_UNSEEN": unseen}
    journal.write(cut_message(seconds, unseen, at, begun=begun), journal.LOG_WARNING, fields)


def details(summary: ShutdownSummary) -> list[str]:
    """Return a line for each of the worst losses, and one for the others."""
    rest = summary.count - sum(alert.count for alert in summary.worst)
    more = [f"and {rest} more: impermanence status"] if rest > 0 else []
    return [*(describe(alert) for alert in summary.worst), *more]


def _fields(summary: ShutdownSummary) -> Mapping[str, journal.Value]:
    return {
        "MESSAGE_ID": journal.MESSAGE_SHUTDOWN,
        "IMPERMANENCE_COUNT": summary.count,
        "IMPERMANENCE_BYTES": summary.size,
        **(journal.path_fields(summary.worst[0].path) if summary.worst else {}),
    }


def say(summary: ShutdownSummary) -> None:
    """Log the last words, and tell everybody who is logged in how much will be lost, if anything will."""
    lost = summary.count > 0 and summary.spared is None
    journal.write(message(summary), journal.LOG_WARNING if lost else journal.LOG_INFO, _fields(summary))
    if not lost:
        return
    for line in details(summary):
        journal.write(line, journal.LOG_WARNING)
    # A terminal shows it to anybody, so it names no path: whose files these are says impermanence status.
    text = f"impermanence: {message(summary)}\n  what of it is yours: impermanence status\n"
    try:
        command.run(["wall"], input=text.encode(), timeout=WALL_TIMEOUT)
    except CommandError as error:
        log.info("nobody who is logged in could be told", error=error.message)


def _end_of(machine: Machine, boot_id: str) -> bytes | None:
    """Return the path of this boot's last record, or None if the hook has no record of the boot."""
    if not machine.has_state():
        return None
    newest = requests.newest_record(machine)
    if newest is None or newest.number is None or newest.boot_id != boot_id:
        return None
    return machine.in_state(boot_file(newest.number, BootFile.END))


def leave_record(machine: Machine, boot_id: str, now: float, summary: ShutdownSummary) -> None:
    """Write this boot's last record; a failure is logged."""
    try:
        path = _end_of(machine, boot_id)
        if path is not None:
            then = int(max(now, 0))
            sums = summary.count, summary.size, summary.complete
            record = EndRecord(boot_id, then, *sums, worst=summary.loss)
            atomic.replace(path, records.format_end(record))
    except (ImpermanenceError, OSError) as error:
        log.warning("the end of this boot could not be recorded", error=failure_to_text(error))


def forget_record(machine: Machine, boot_id: str) -> None:
    """Remove this boot's last record, because the boot goes on after all."""
    with contextlib.suppress(ImpermanenceError, OSError):
        path = _end_of(machine, boot_id)
        if path is not None:
            os.unlink(path)
