"""The entry of the report, made from what was found of a difference."""

from __future__ import annotations

from ...model import LOSSES, Advice, AdviceKind, Change, Entry
from ...text import to_text
from ..score import score
from .finding import DIRECTORIES, Finding, person
from .volume_facts import VolumeFacts


def entry_of(facts: VolumeFacts, finding: Finding, now: float) -> Entry:
    """Return the entry for a view.  `now` is in seconds since 1970."""
    judged = finding.judged
    difference = judged.difference
    if finding.verdict not in LOSSES:
        return Entry(
            facts.volume.name, difference, finding.verdict, finding.rule, finding.loss, judged.writer,
            application=finding.application, unit=finding.unit, hidden=judged.hidden,
        )  # fmt: skip
    figure = score(
        difference,
        finding.loss,
        known=finding.known,
        person=person(judged.writer),
        lost=finding.lost,
        age=now - difference.ctime / 1e9 if difference.ctime else None,
    )
    return Entry(
        facts.volume.name, difference, finding.verdict, finding.rule, finding.loss, judged.writer, figure,
        finding.application, finding.unit, finding.package, finding.group, finding.lost, finding.because,
        _advice(finding), judged.hidden, finding.unpushed, finding.bookkeeping,
    )  # fmt: skip


def _advice(finding: Finding) -> tuple[Advice, ...]:
    """Return the advice on a loss, which is never empty."""
    difference = finding.judged.difference
    if finding.judged.hidden:
        return (Advice(AdviceKind.COPY, ""),)
    if difference.change is Change.DELETED:
        return (Advice(AdviceKind.BLANK, ""),)
    if finding.declared:
        return finding.judged.fulfilment
    if finding.advice:
        return finding.advice
    whole = difference.type in DIRECTORIES
    kind = AdviceKind.PERSIST_DIRECTORY if whole else AdviceKind.PERSIST_FILE
    return (Advice(kind, to_text(difference.path)),)
