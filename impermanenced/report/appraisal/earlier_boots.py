"""Steps 6 and 7: what the boot makes, known from the old roots or from the time when this boot had
settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...losses import LossClass
from ...model import LOSSES, Change, FileType, Verdict, Writer
from . import old_roots
from .finding import Finding, person
from .old_roots import PathHistory
from .volume_facts import VolumeFacts


def look_back(facts: VolumeFacts, findings: Sequence[Finding]) -> None:
    """Judge each view by what the old roots had in its place."""
    crud = [finding for finding in findings if finding.verdict in LOSSES and not finding.package]
    if not crud:
        return
    with facts.old_roots() as past:
        if len(past):
            crud.sort(key=_by_directory)
        for finding in crud:
            difference = finding.judged.difference
            if len(past):
                before = past.of(difference, facts.relative(difference.path))
                finding.lost = before.lost
                _hold_against(facts, finding, before)
            elif _excused_at_first(facts, finding):
                finding.verdict = Verdict.REGENERATED
                finding.rule = "made before the boot had settled"
        if not past.complete:
            facts.say(
                f"not everything was looked up in the old roots: more than {old_roots.CANDIDATES:,} paths"
            )


def _by_directory(finding: Finding) -> tuple[bytes, bytes]:
    directory, _, name = finding.judged.difference.path.rpartition(b"/")
    return directory, name


def _by_boot(facts: VolumeFacts, finding: Finding) -> bool:
    span = facts.span
    return span is not None and span.start <= finding.judged.difference.ctime / 1e9 <= span.settled


def _hold_against(facts: VolumeFacts, finding: Finding, past: PathHistory) -> None:
    if past.copied:
        finding.because += ("it is here because an old root was booted again",)
        return
    writer = finding.judged.writer
    by_boot = _by_boot(facts, finding)
    if past.same and not person(writer) and not _stamp(finding):
        alone = past.same >= 2 and not facts.in_home(finding.judged.difference.path)
        if by_boot or alone:
            finding.verdict = Verdict.REGENERATED
            times = "the last boot" if past.same == 1 else f"each of the last {past.same} boots"
            finding.rule = f"{times} had it too, with the same content"
            return
    if past.alike and writer is not None and _made_by_unit(facts, finding, writer):
        finding.verdict = Verdict.REGENERATED
        times = f"each of the last {past.alike} boots"
        finding.rule = f"{writer.unit} makes it: {times} had it too, and only numbers in it differ"
        return
    if past.other and not person(writer):
        finding.because += (
            f"comes back with other content at each boot (the last {past.other + 1}): what wants to stay"
            " the same has to be persisted",
        )
        if finding.loss in (LossClass.UNKNOWN, LossClass.CONFIG) and by_boot:
            finding.loss, finding.known = LossClass.SERVICE_STATE, None


def _made_by_unit(facts: VolumeFacts, finding: Finding, writer: Writer) -> bool:
    """Return whether a unit of the system made this, and nothing is known by which it would be missed."""
    if writer.kind not in ("", "system") or person(writer):
        return False
    by_unit = bool(writer.unit) and finding.unit in ("", writer.unit)
    dear = finding.named or finding.declared or not finding.loss.traits.boot
    return by_unit and not dear and not facts.in_home(finding.judged.difference.path)


def _stamp(finding: Finding) -> bool:
    """Return whether this is an empty file that a rule names: it holds only its time, which is never the
    same.
    """
    difference = finding.judged.difference
    return finding.named and difference.type is FileType.FILE and difference.size == 0


def _excused_at_first(facts: VolumeFacts, finding: Finding) -> bool:
    """Return whether the boot made this, if there is no old root to compare with.

    Then only the time shows it, and the time cannot show whether a file is an identity.
    """
    if (
        finding.declared
        or finding.named
        or finding.unit
        or not finding.loss.traits.boot
        or person(finding.judged.writer)
    ):
        return False
    difference = finding.judged.difference
    if difference.change is Change.DELETED or difference.type is FileType.SUBVOLUME:
        return False
    return not facts.in_home(difference.path) and _by_boot(facts, finding)
