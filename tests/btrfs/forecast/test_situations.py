"""In each situation everybody says the same of the next boot, and then the hook runs and it is so."""

from __future__ import annotations

import pytest

from impermanenced.boots import examine

from .agreement import agree, as_it_was_said
from .machine import Machine
from .situations import SITUATIONS


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_said_is_what_is_there(name: str, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = SITUATIONS[name](machine)
    if expected.typed:
        monkeypatch.setattr(examine, "next_boot", machine.foretell)
    report = machine.report()
    forecast = report.forecast
    assert forecast is not None
    assert (forecast.decision.action, forecast.spared) == (expected.action, expected.spared), forecast
    verdicts = {entry.difference.path.decode(): entry.verdict.value for entry in report.entries}
    assert {path: verdicts.get(path) for path in expected.verdicts} == dict(expected.verdicts)
    assert len(report.faults) == expected.faults, report.faults
    agree(machine, report)
    as_it_was_said(machine, report)


def test_the_table_is_as_long_as_it_has_to_be() -> None:
    assert len(SITUATIONS) >= 40
