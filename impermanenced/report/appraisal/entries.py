"""The entry of the report, made from what was found of a difference."""

from __future__ import annotations

from ...model import Advice, AdviceKind, Change, Entry, Verdict
from ...text import to_text
from ..score import score
from .finding import DIRECTORIES, View, person
from .volume_facts import Ground


def entry_of(ground: Ground, view: View, now: float) -> Entry:
    """Return the entry for a view.  `now` is in seconds since 1970."""
    judged = view.judged
    difference = judged.difference
    if view.verdict is not Verdict.CRUD:
        return Entry(
            ground.volume.name, difference, view.verdict, view.rule, view.loss, judged.writer,
            application=view.application, unit=view.unit, hidden=judged.hidden,
        )  # fmt: skip
    figure = score(
        difference,
        view.loss,
        known=view.known,
        person=person(judged.writer),
        lost=view.lost,
        age=now - difference.ctime / 1e9 if difference.ctime else None,
    )
    return Entry(
        ground.volume.name, difference, view.verdict, view.rule, view.loss, judged.writer, figure,
        view.application, view.unit, view.package, view.group, view.lost, view.because, _advice(view),
        judged.hidden, view.unpushed, view.bookkeeping,
    )  # fmt: skip


def _advice(view: View) -> tuple[Advice, ...]:
    """Return the advice on a loss, which is never empty."""
    difference = view.judged.difference
    if view.judged.hidden:
        return (Advice(AdviceKind.COPY, ""),)
    if difference.change is Change.DELETED:
        return (Advice(AdviceKind.BLANK, ""),)
    if view.advice:
        return view.advice
    whole = difference.type in DIRECTORIES
    kind = AdviceKind.PERSIST_DIRECTORY if whole else AdviceKind.PERSIST_FILE
    return (Advice(kind, to_text(difference.path)),)
