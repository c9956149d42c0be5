"""From what was found of a difference to its entry in the report."""

from __future__ import annotations

from ... import losses
from ...model import Change, Entry, Verdict
from ...text import to_text
from ..rules import HIDDEN
from .finding import DIRECTORIES, View, person
from .volume_facts import Ground


def entry_of(ground: Ground, view: View, now: float) -> Entry:
    judged = view.judged
    difference = judged.difference
    if view.verdict is not Verdict.CRUD:
        return Entry(
            ground.volume.name, difference, view.verdict, view.rule, view.loss, judged.writer,
            application=view.application, unit=view.unit,
        )  # fmt: skip
    figure = losses.score(
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
    )  # fmt: skip


def _advice(view: View) -> tuple[tuple[str, str], ...]:
    """Every loss has one."""
    difference = view.judged.difference
    if view.rule.startswith(HIDDEN):
        return (("copy", ""),)
    if difference.change is Change.DELETED:
        return (("blank", ""),)
    if view.advice:
        return view.advice
    kind = "persist-directory" if difference.type in DIRECTORIES else "persist-file"
    return ((kind, to_text(difference.path)),)
