"""The document of `setup --json`."""

from __future__ import annotations

from collections.abc import Sequence

from ..document.fields import VERSION, Object
from ..text import to_text
from .plan import Plan, Step
from .removal import Removal


def plan_to_json(plan: Plan) -> Object:
    """Return the object with the plan."""
    return {
        "version": VERSION,
        "possible": not plan.refusals,
        "trial": plan.trial,
        "root": to_text(plan.names.root) or None,
        "persist": to_text(plan.names.persist),
        "blank": to_text(plan.names.blank),
        "refusals": [
            {"what": one.what, "hint": one.hint, "commands": list(one.commands)} for one in plan.refusals
        ],
        "kept": [
            {
                "path": to_text(one.path),
                "directory": one.directory,
                "why": one.why,
                "preset": one.preset or None,
            }
            for one in plan.kept
        ],
        "accounts": plan.accounts,
        "steps": _steps(plan.steps),
        "notes": list(plan.notes),
    }


def removal_to_json(removal: Removal) -> Object:
    """Return the object with the way back."""
    return {
        "version": VERSION,
        "root": to_text(removal.job.root),
        "steps": _steps(removal.steps),
        "left": [to_text(path) for path in removal.left],
    }


def _steps(steps: Sequence[Step]) -> list[Object]:
    return [{"kind": one.kind, "what": one.words} for one in steps]
