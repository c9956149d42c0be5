"""Steps 4 and 5: the application or unit that a path belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from ...losses import LossClass
from ...model import LOSSES, Advice, AdviceKind, Change, FileType, Verdict
from ...system.unit_files import CACHE, LOGS, RUNTIME, STATE, WORDS, Units
from ...text import to_text
from ..knowledge import Fact
from .finding import DIRECTORIES, Finding
from .names import Names
from .volume_facts import VolumeFacts

_SETTINGS = b"/etc/"
_OF_UNITS = (b"/var/", b"/etc/", b"/run/")


def learn(facts: VolumeFacts, findings: Sequence[Finding]) -> None:
    """Add to each view what the knowledge of applications and the units say."""
    knowledge = facts.knowledge
    for finding in findings:
        if finding.verdict not in LOSSES or finding.package:
            continue
        difference = finding.judged.difference
        fact = knowledge.of(difference.path, difference.type)
        if fact is not None:
            _take_fact(finding, fact)
            if fact.called:
                finding.application = facts.names.of(fact.application)
        if finding.verdict in LOSSES and difference.path.startswith(_OF_UNITS):
            _take_unit(finding, facts.units, facts.names)
        if difference.type is FileType.SUBVOLUME:
            finding.loss = LossClass.SUBVOLUME


def _take_fact(finding: Finding, fact: Fact) -> None:
    difference = finding.judged.difference
    if fact.verdict_hint == "crud":
        if not finding.named:
            # That a path lies in somebody's subvolume says nothing of what it is.
            placed = fact.placed or (fact.loss is LossClass.SUBVOLUME and difference.subvolume is not None)
            finding.loss, finding.known, finding.placed = fact.loss, fact.score, placed
        # If only the place is known, a single file does not form a group.
        lone = fact.default and fact.root == difference.path and difference.type not in DIRECTORIES
        finding.application, finding.group = fact.application, b"" if lone else fact.root
        finding.advice = fact.advice
        if fact.secret and difference.type is FileType.FILE and difference.path.startswith(_SETTINGS):
            # One key does not take the settings around it along.
            finding.advice = (Advice(AdviceKind.PERSIST_FILE, to_text(difference.path)), *fact.advice)
        finding.because += (fact.because,)
        finding.named = finding.named or not fact.default
        return
    # A directory that changed may hold what is kept; what was removed comes back from the blank.
    whole = difference.change is not Change.METADATA or difference.type not in DIRECTORIES
    if whole and not finding.judged.hidden and difference.type is not FileType.SUBVOLUME:
        finding.loss, finding.application = fact.loss, fact.application
        if finding.declared:
            finding.because += (fact.because,)
            return
        finding.verdict = Verdict.REGENERATED if fact.verdict_hint == "regenerated" else Verdict.IGNORED
        finding.rule = fact.because


def _take_unit(finding: Finding, units: Units, names: Names) -> None:
    found = units.of(finding.judged.difference.path)
    if found is None:
        return
    directory, (unit, kind, description) = found
    finding.unit = unit
    words = f"{WORDS[kind]} of {unit}: {to_text(directory)}"
    difference = finding.judged.difference
    if kind in (CACHE, RUNTIME):
        if not finding.named and difference.change is not Change.DELETED:
            finding.loss = LossClass.CACHE
            if finding.declared:
                finding.because += (words,)
            else:
                finding.verdict, finding.rule = Verdict.IGNORED, words
        return
    created = difference.change is Change.CREATED and difference.type is FileType.DIRECTORY
    if difference.path == directory and created and not finding.judged.hidden:
        finding.verdict, finding.rule = Verdict.REGENERATED, f"made for {unit} when it starts: {WORDS[kind]}"
        return
    finding.because += (words,)
    if not finding.named:
        finding.application = names.of_unit(unit.rpartition(".")[0], description)
        finding.group = directory
        # A rule about the name may have given a worse class already.
        if kind in (STATE, LOGS) and finding.loss.traits.weight <= LossClass.SERVICE_STATE.traits.weight:
            finding.loss, finding.known = (LossClass.SERVICE_STATE if kind == STATE else LossClass.LOG), None
        finding.advice = (Advice(AdviceKind.PERSIST_DIRECTORY, to_text(directory)),)
