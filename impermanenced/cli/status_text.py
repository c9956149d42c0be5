"""The report of `status` for a person.  The first line answers, the last one says what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..boots.examine import UNKNOWN
from ..losses import BAD, SERIOUS, mark
from ..model import LOSSES, AdviceKind, Entry, Report, Verdict
from ..report import totals
from ..text import from_text, size_to_text, to_text
from . import next_boot, output, remedies, source, wording
from .output import Style
from .rows import PACKAGES, Row, by, rows
from .verb import Shared

MIN_WIDTH = 60
MOST_DECLARED = 5  # declarations for which what makes them so is shown
MOST = 20  # rows, unless all are asked for
SUGGESTED = 5000  # differences of which the command that keeps the worst is worked out
_VERDICTS = {
    Verdict.PERSISTED: "persisted",
    Verdict.HIDDEN: "hidden under mounts that have it",
    Verdict.REGENERATED: "made anew by the boot",
    Verdict.IGNORED: "ignored by you",
}


class Options(Protocol):
    """The options of `status` that change what is shown."""

    @property
    def all(self) -> bool: ...
    @property
    def view(self) -> str | None: ...
    @property
    def order(self) -> str: ...


def show(report: Report, options: Options, shared: Shared, since: str | None) -> None:
    """Write the report for a person; `since` says in words that it has only what came since then."""
    decision = report.forecast.decision if report.forecast is not None else None
    now = time.time()
    shown = text(
        report,
        options,
        since=since,
        columns=output.columns(),
        now=now,
        style=output.style(shared),
        notices=next_boot.notices(decision, shared.config) if decision is not None else (),
        keep=keeps(report, options, shared),
    )
    output.write_long(shown, shared)


def keeps(report: Report, options: Options, shared: Shared) -> str | None:
    """Return the command that keeps what stands in the first row, as `suggest` would declare it; None where
    nothing would, or the system is not the running one.
    """
    losses = [entry for entry in report.entries if entry.verdict in LOSSES]
    if shared.config is not None or options.view or not losses or len(report.entries) > SUGGESTED:
        return None
    settings = source.settings(None)
    if settings is None:
        return None
    path = rows(losses, options.order)[0].entries[0].difference.path
    persist = settings.persist[0] if settings.persist else remedies.PERSIST
    found = remedies.declaration(report, path, persist, settings.placements)
    if found is None:
        return None
    volume = None if settings.persist else to_text(persist)
    stop = remedies.stopping(report, from_text(found.argument))
    return remedies.keeping(found.argument, volume, stop)


def text(
    report: Report,
    options: Options,
    *,
    since: str | None = None,
    columns: int,
    now: float,
    style: Style,
    notices: Sequence[str] = (),
    keep: str | None = None,
) -> str:
    """Return the report for a person.

    `since`: it has only what came since then, in words; `notices`: what else is known of the next boot;
    `keep`: the command that keeps the worst of it.
    """
    losses = [entry for entry in report.entries if entry.verdict in LOSSES]
    lost = rows(losses, options.order)
    answer = _answer(lost, report, since=since)
    lines = [style.bold(answer), *(f"error: {fault}." for fault in report.faults), *notices, ""]
    shown = by(options.view, losses, options.order) if options.view else lost
    if shown:
        most = len(shown) if options.all else MOST
        lines += [*_table(shown[:most], columns, now), *_rest(shown[most:]), ""]
    if unfulfilled := list(_unfulfilled(losses)):
        lines += ["  declared, but nothing is mounted there; what makes it so:", *unfulfilled, ""]
    if options.all:
        lines += _others(report, columns)
    lines += [style.dim(f"  {line}") for line in _notes(report, now, whole=options.all)]
    if report.forecast is not None and report.forecast.decision.action == UNKNOWN:
        why = report.forecast.decision.why
        lines.append(style.dim(f"  what the next boot will do is not known: {why}"))
    lines += ["", *([f"Keep the first:  {keep}"] if keep else []), _advice(lost)]
    return "\n".join(lines) + "\n"


def _rest(rest: list[Row]) -> Iterator[str]:
    if rest:
        size = size_to_text(sum(row.size for row in rest))
        yield f"  and {len(rest):,} more, {size} (--all shows them)"


def _unfulfilled(losses: Sequence[Entry]) -> Iterator[str]:
    """Yield what makes the declarations so that nothing fulfils, each once."""
    kinds = (AdviceKind.FSTAB, AdviceKind.TMPFILES, AdviceKind.MODULE)
    found = dict.fromkeys(
        advice
        for entry in losses
        if entry.verdict is Verdict.DECLARED
        for advice in entry.advice
        if advice.kind in kinds
    )
    for advice in list(found)[:MOST_DECLARED]:
        yield f"    {remedies.elsewhere(*advice)}"
    if len(found) > MOST_DECLARED:
        yield f"    and {len(found) - MOST_DECLARED:,} more (impermanence explain PATH)"


def _answer(lost: list[Row], report: Report, *, since: str | None = None) -> str:
    will, end = next_boot.losing(report.forecast)
    of = f" of what came since {since}" if since else ""
    if not lost:
        return f"nothing {'' if report.complete else 'that you may see '}{will}{of}{end}."
    total = size_to_text(sum(row.size for row in lost))
    least = "" if report.complete else "at least "
    serious = sum(row.score >= SERIOUS for row in lost)
    bad = f", {serious:,} of them serious" if serious else ""
    return f"{least}{wording.plural(len(lost), 'thing')} {will} ({total}){of}{bad}{end}."


def _table(lost: list[Row], columns: int, now: float) -> Iterator[str]:
    losses = max(wording.width(row.loss) for row in lost)
    whats = max(wording.width(row.what) for row in lost)
    sizes = max(wording.width(_size(row)) for row in lost)
    ages = [", ".join(_remarks(row, now)) for row in lost]
    names = [wording.homely(row.path) for row in lost]
    marks = 3 if any(row.score >= BAD for row in lost) else 0
    # The path gets the columns that the rest leaves, which is at least half of them.
    fixed = 2 + marks + (losses + 2 if losses else 0) + 2 + whats + 2 + sizes + 2
    room = max(columns, MIN_WIDTH) - fixed
    widest = max(wording.width(name) for name in names)
    whos = min(max(wording.width(age) for age in ages), max(room // 2, room - widest))
    paths = min(room - whos, widest)
    for row, name, age in zip(lost, names, ages, strict=True):
        sign = f"{mark(row.score):>2} " if marks else ""
        loss = wording.pad(row.loss, losses) + "  " if losses else ""
        path = wording.pad(wording.shorten(name, paths), paths)
        what = wording.pad(row.what, whats, right=True)
        size = wording.pad(_size(row), sizes, right=True)
        yield f"  {sign}{loss}{path}  {what}  {size}  {wording.shorten(age, whos)}".rstrip()


def _remarks(row: Row, now: float) -> Iterator[str]:
    """Yield what else is said of a row; what is cut where there is no room is in the middle."""
    if row.declared:
        yield "not mounted"
    yield from filter(None, (row.who, wording.age(row.when, now), row.note))


def _size(row: Row) -> str:
    return size_to_text(row.size) if row.size else ""


def _others(report: Report, columns: int) -> Iterator[str]:
    """Yield what --all adds: every other path with its rule."""
    for verdict, title in _VERDICTS.items():
        entries = [entry for entry in report.entries if entry.verdict is verdict]
        if entries:
            yield f"  {title}:"
            room = max(columns, MIN_WIDTH) // 2
            for entry in entries:
                path = wording.homely(to_text(entry.difference.path))
                yield f"    {wording.shorten(path, room)}  {entry.rule}"
            yield ""


def _notes(report: Report, now: float, *, whole: bool) -> Iterator[str]:
    if left_out := [] if whole else list(_left_out(report)):
        yield f"not counted: {', '.join(left_out)} (--all shows them)"
    if report.others is not None and report.others.entries:
        what = wording.plural(report.others.entries, "difference")
        yield f"not shown: up to {what} of other users, {size_to_text(report.others.size)} (root sees all)"
    elif not report.complete:
        yield "not complete: a part could not be read"
    yield from report.notes
    yield _watch(report, now)


def _left_out(report: Report) -> Iterator[str]:
    """Yield how much is not counted as a loss, and why."""
    caches, counts = totals.caches(report), totals.counts(report)
    counts[Verdict.IGNORED] -= caches
    for verdict, title in _VERDICTS.items():
        if counts[verdict]:
            yield f"{counts[verdict]:,} {title}"
    if caches:
        yield f"{caches:,} in caches and the like"


def _watch(report: Report, now: float) -> str:
    since = report.watching_since
    if since is None and report.unheard is not None:
        return f"writers unknown: {report.unheard}"
    if since is None:
        return "nobody watches: writers unknown (systemctl start impermanenced)"
    missing = []
    if report.gaps:
        last = wording.clock(report.gaps[-1][1], now)
        missing.append(f"{wording.plural(len(report.gaps), 'gap')}, the last one until {last}")
    if report.overflows:
        missing.append(wording.plural(report.overflows, "overflow"))
    if report.curtailed:
        times = wording.plural(report.curtailed, "busy time")
        missing.append(f"{times} without changed attributes and open files")
    rest = f"; {'; '.join(missing)}." if missing else ", complete."
    return f"writers known since {wording.clock(since, now)}{rest}"


def _advice(lost: list[Row]) -> str:
    if not lost:
        return "Every difference:  impermanence diff"
    why = "Why, and what keeps it:  impermanence explain PATH"
    if any(row.loss != PACKAGES for row in lost):
        return f"{why}    All at once:  impermanence suggest"
    return f"{why}    Files:  impermanence diff"
