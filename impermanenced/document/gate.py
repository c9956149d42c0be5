"""The document of `gate --json`."""

from __future__ import annotations

from ..report.gate import Judgement
from .fields import VERSION, Object
from .report import forecast_to_json


def gate_to_json(judgement: Judgement) -> Object:
    """Return the object of a judgement."""
    tally = judgement.tally
    return {
        "version": VERSION,
        "gate": judgement.verdict,
        "complete": tally.complete,
        "count": tally.paths,
        "bytes": tally.size,
        "classes": {loss: {"count": count, "bytes": size} for loss, (count, size) in tally.classes.items()},
        "reasons": [{"gate": verdict, "why": why} for verdict, why in judgement.reasons],
        "spared": judgement.spared,
        **({} if judgement.forecast is None else {"next_boot": forecast_to_json(judgement.forecast)}),
    }
