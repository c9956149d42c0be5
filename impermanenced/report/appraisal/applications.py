"""Steps 4 and 5: the application or unit that a path belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from ...losses import LossClass
from ...model import Advice, AdviceKind, Change, FileType, Verdict
from ...system.unit_files import CACHE, LOGS, RUNTIME, STATE, WORDS, Units
from ...text import to_text
from ..knowledge import Fact
from .finding import DIRECTORIES, View
from .volume_facts import Ground

_OF_UNITS = (b"/var/", b"/etc/", b"/run/")


def learn(ground: Ground, views: Sequence[View]) -> None:
    """Add to each view what the knowledge of applications and the units say."""
    knowledge = ground.knowledge
    for view in views:
        if view.verdict is not Verdict.CRUD or view.package:
            continue
        difference = view.judged.difference
        fact = knowledge.of(difference.path, difference.type)
        if fact is not None:
            _take_fact(view, fact)
        if view.verdict is Verdict.CRUD and difference.path.startswith(_OF_UNITS):
            _take_unit(view, ground.units)
        if difference.subvolume is not None:
            view.loss = LossClass.SUBVOLUME


def _take_fact(view: View, fact: Fact) -> None:
    difference = view.judged.difference
    if fact.verdict_hint == "crud":
        if not view.named:
            view.loss, view.known = fact.loss, fact.score
        # If only the place is known, a single file does not form a group.
        lone = fact.default and fact.root == difference.path and difference.type not in DIRECTORIES
        view.application, view.group = fact.application, b"" if lone else fact.root
        view.advice = fact.advice
        view.because += (fact.because,)
        view.named = view.named or not fact.default
        return
    whole = difference.change in (Change.CREATED, Change.REPLACED) or difference.type not in DIRECTORIES
    if whole and not view.judged.hidden and difference.subvolume is None:
        view.loss, view.application = fact.loss, fact.application
        view.verdict = Verdict.REGENERATED if fact.verdict_hint == "regenerated" else Verdict.IGNORED
        view.rule = fact.because


def _take_unit(view: View, units: Units) -> None:
    found = units.of(view.judged.difference.path)
    if found is None:
        return
    directory, (unit, kind) = found
    view.unit = unit
    words = f"{WORDS[kind]} of {unit}: {to_text(directory)}"
    difference = view.judged.difference
    if kind in (CACHE, RUNTIME):
        if not view.named and difference.change is not Change.DELETED:
            view.verdict, view.rule, view.loss = Verdict.IGNORED, words, LossClass.CACHE
        return
    created = difference.change is Change.CREATED and difference.type is FileType.DIRECTORY
    if difference.path == directory and created and not view.judged.hidden:
        view.verdict, view.rule = Verdict.REGENERATED, f"made for {unit} when it starts: {WORDS[kind]}"
        return
    view.because += (words,)
    if not view.named:
        view.application = unit.rpartition(".")[0]
        view.group = directory
        # A rule about the name may have given a worse class already.
        if kind in (STATE, LOGS) and view.loss.traits.weight <= LossClass.SERVICE_STATE.traits.weight:
            view.loss, view.known = (LossClass.SERVICE_STATE if kind == STATE else LossClass.LOG), None
        view.advice = (Advice(AdviceKind.PERSIST_DIRECTORY, to_text(directory)),)
