"""What is at a path after the next boot, by what the boot does and the verdict on the path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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


class Case:
    """One machine with a record, and how often its program was asked."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.record = directory / "rollback.env"
        self.record.touch()
        self.known: Spared | None = None
        self.asked = 0
        self.now = 100.0
        monkeypatch.setattr(forecast, "known", lambda config, machine: self.known)
        monkeypatch.setattr(forecast, "foretell", self.foretell)
        self.remembered = forecast.Remembered(lambda: self.now, 5.0)

    def at(self, path: bytes) -> bytes:
        return os.fsencode(self.record)

    def foretell(self, config: Any, machine: Any) -> Forecast:
        self.asked += 1
        return WIPES

    def ask(self) -> int:
        nothing: Any = None
        machine: Any = self
        assert self.remembered.of(nothing, machine) is WIPES
        return self.asked


def test_the_program_is_not_asked_for_each_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask for a thousand reports."""
    case = Case(tmp_path, monkeypatch)
    assert [case.ask() for _ in range(1000)] == [1] * 1000
    case.now += 4.9
    assert case.ask() == 1
    case.now += 0.1
    assert case.ask() == 2
    case.known = Spared.ASKED
    assert case.ask() == 3, "of a request it is known at once"
    other = tmp_path / "other"
    other.touch()
    other.rename(case.record)
    assert case.ask() == 4, "and of setup"
    case.record.unlink()
    assert case.ask() == 5
    assert case.ask() == 5
