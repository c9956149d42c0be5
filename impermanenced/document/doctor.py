"""The document of `doctor --json`."""

from __future__ import annotations

from collections.abc import Sequence

from ..boots.doctor import Finding
from .fields import VERSION, Object


def doctor_to_json(found: Sequence[Finding]) -> Object:
    """Return the object with the findings."""
    return {"version": VERSION, "findings": [finding_to_json(one) for one in found]}


def finding_to_json(one: Finding) -> Object:
    """Return the object of one finding."""
    return {
        "severity": one.severity,
        "what": one.what,
        "hint": one.hint,
        "commands": list(one.commands),
        "safe": one.safe,
        "reason_code": one.code,
    }
