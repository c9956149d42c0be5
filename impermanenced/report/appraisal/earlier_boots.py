"""Steps 6 and 7: what the boot makes, known from the old roots or from the time when this boot had
settled.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...losses import LossClass
from ...model import Change, FileType, Verdict
from . import old_roots
from .finding import View, person
from .old_roots import Past
from .volume_facts import Ground


def look_back(ground: Ground, views: Sequence[View]) -> None:
    """Judge each view by what the old roots had in its place."""
    crud = [view for view in views if view.verdict is Verdict.CRUD and not view.package]
    if not crud:
        return
    with ground.lives() as past:
        if len(past):
            crud.sort(key=_by_directory)
        for view in crud:
            difference = view.judged.difference
            if len(past):
                before = past.of(difference, ground.relative(difference.path))
                view.lost = before.lost
                _hold_against(ground, view, before)
            elif _excused_at_first(ground, view):
                view.verdict = Verdict.REGENERATED
                view.rule = "made before the boot had settled"
        if not past.complete:
            ground.say(
                f"not everything was looked up in the old roots: more than {old_roots.CANDIDATES:,} paths"
            )


def _by_directory(view: View) -> tuple[bytes, bytes]:
    directory, _, name = view.judged.difference.path.rpartition(b"/")
    return directory, name


def _by_boot(ground: Ground, view: View) -> bool:
    span = ground.span
    return span is not None and span.start <= view.judged.difference.ctime / 1e9 <= span.settled


def _hold_against(ground: Ground, view: View, past: Past) -> None:
    if past.copied:
        view.because += ("it is here because an old root was booted again",)
        return
    writer = view.judged.writer
    by_boot = _by_boot(ground, view)
    if past.same and not person(writer) and not _stamp(view):
        alone = past.same >= 2 and not ground.in_home(view.judged.difference.path)
        if by_boot or alone:
            view.verdict = Verdict.REGENERATED
            times = "the last boot" if past.same == 1 else f"each of the last {past.same} boots"
            view.rule = f"{times} had it too, with the same content"
            return
    if past.other and not person(writer):
        view.because += (
            f"comes back with other content at each boot (the last {past.other + 1}): what wants to stay"
            " the same has to be persisted",
        )
        if view.loss in (LossClass.UNKNOWN, LossClass.CONFIG) and by_boot:
            view.loss, view.known = LossClass.SERVICE_STATE, None


def _stamp(view: View) -> bool:
    """Return whether this is an empty file that a rule names: it holds only its time, which is never the
    same.
    """
    difference = view.judged.difference
    return view.named and difference.type is FileType.FILE and difference.size == 0


def _excused_at_first(ground: Ground, view: View) -> bool:
    """Return whether the boot made this, if there is no old root to compare with.

    Then only the time shows it, and the time cannot show whether a file is an identity.
    """
    if view.named or view.unit or not view.loss.traits.boot or person(view.judged.writer):
        return False
    difference = view.judged.difference
    if difference.change is Change.DELETED or difference.subvolume is not None:
        return False
    return not ground.in_home(difference.path) and _by_boot(ground, view)
