"""What is at a path after the next boot, by what the boot does and the verdict on the path."""

from __future__ import annotations

import pytest

from impermanenced.model import Change, Decision, Forecast, Spared, Verdict
from impermanenced.report import forecast
from impermanenced.report.forecast import Fate

from .reports import entry, report

WIPES = Forecast(Decision("wiped"))


@pytest.mark.parametrize(
    ("what", "verdict", "change", "fate"),
    [
        (WIPES, Verdict.CRUD, Change.CREATED, Fate.GONE),
        (WIPES, Verdict.DECLARED, Change.CREATED, Fate.GONE),
        (WIPES, Verdict.REGENERATED, Change.CREATED, Fate.GONE),
        (WIPES, Verdict.CRUD, Change.MODIFIED, Fate.BLANK),
        (WIPES, Verdict.IGNORED, Change.DELETED, Fate.BLANK),
        (WIPES, Verdict.PERSISTED, Change.CREATED, Fate.PERSISTS),
        (WIPES, Verdict.HIDDEN, Change.MODIFIED, Fate.PERSISTS),
        (Forecast(Decision("booted", 3)), Verdict.CRUD, Change.CREATED, Fate.OLD_ROOT),
        (Forecast(Decision("booted", 3)), Verdict.PERSISTED, Change.CREATED, Fate.PERSISTS),
        (Forecast(Decision("trial"), Spared.TRIAL), Verdict.CRUD, Change.CREATED, Fate.STAYS),
        (Forecast(Decision("kept"), Spared.ASKED), Verdict.DECLARED, Change.MODIFIED, Fate.STAYS),
        # The words may have been typed for this boot alone.
        (Forecast(Decision("kept")), Verdict.CRUD, Change.CREATED, Fate.GONE),
        (Forecast(Decision("off", code="off-asked")), Verdict.CRUD, Change.MODIFIED, Fate.BLANK),
        (Forecast(Decision("unknown")), Verdict.CRUD, Change.CREATED, Fate.UNKNOWN),
        (Forecast(Decision("off", code="no-root")), Verdict.CRUD, Change.CREATED, Fate.UNKNOWN),
        (None, Verdict.CRUD, Change.CREATED, Fate.UNKNOWN),
    ],
)
def test_fates(what: Forecast | None, verdict: Verdict, change: Change, fate: Fate) -> None:
    assert forecast.fate(entry("/a", verdict=verdict, change=change), what) is fate


def test_what_a_report_loses() -> None:
    trial = Forecast(Decision("trial"), Spared.TRIAL)
    for verdict, lost in ((Verdict.CRUD, True), (Verdict.DECLARED, True), (Verdict.HIDDEN, False)):
        one = entry("/a", verdict=verdict)
        assert forecast.loses(report(one)) is lost
        assert forecast.loses(report(one, forecast=None)) is lost, "nobody can tell"
        assert forecast.loses(report(one, forecast=trial)) is False
    assert forecast.loses(report(faults=("what is declared goes",)))
    assert not forecast.loses(report(faults=("what is declared goes",), forecast=trial))


def test_every_reason_has_words() -> None:
    for one in Spared:
        assert forecast.why(Forecast(Decision("off", code="x"), one))
    assert forecast.why(WIPES) is None
