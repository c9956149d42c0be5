"""Pass, warn or block, by class and by size; and the same from a report and from its JSON."""

from __future__ import annotations

import pytest

from impermanenced.cli.commands.gate import text
from impermanenced.cli.output import Style
from impermanenced.config.load import GateSettings
from impermanenced.config.values import Space
from impermanenced.document.gate import gate_to_json
from impermanenced.losses import LossClass
from impermanenced.model import (
    Change,
    Decision,
    Difference,
    Entry,
    FileType,
    Forecast,
    Report,
    Spared,
    Verdict,
)
from impermanenced.report import gate, totals
from impermanenced.report.totals import Share, Tally

MIB = 1 << 20
TRIAL = Forecast(Decision("trial"), Spared.TRIAL)


def entry(
    loss: LossClass | None, size: int, change: Change = Change.CREATED, verdict: Verdict = Verdict.CRUD
) -> Entry:
    difference = Difference(b"/a", FileType.FILE, change, "+......", 5, size, 0, 0, 0o644, 0)
    return Entry("root", difference, verdict, "nothing declares it", loss, None)


REPORT = Report(
    True,
    None,
    0,
    (),
    (
        entry(LossClass.CONFIG, 20),
        entry(LossClass.SECRET, 300),
        entry(LossClass.SECRET, 5, Change.DELETED),
        entry(LossClass.SECRET, 5, Change.METADATA),
        entry(LossClass.SECRET, 5, Change.MODIFIED),
        entry(LossClass.SECRET, 5, verdict=Verdict.PERSISTED),
        entry(None, 7),
    ),
)
EVERYTHING = {LossClass.SECRET: Share(2, 305), LossClass.CONFIG: Share(1, 20), LossClass.UNKNOWN: Share(1, 7)}


def test_what_is_counted_is_what_nothing_brings_back() -> None:
    found = totals.of_report(REPORT)
    assert found.classes == EVERYTHING and list(found.classes) == list(EVERYTHING), "what hurts most first"
    assert (found.paths, found.size, found.complete) == (4, 332, True)


@pytest.mark.parametrize(
    ("classes", "settings", "verdict", "why"),
    [
        ({}, GateSettings(), "pass", []),
        ({LossClass.LOG: Share(9, MIB), LossClass.CACHE: Share(9, MIB)}, GateSettings(), "pass", []),
        ({LossClass.CONFIG: Share(1, 20)}, GateSettings(), "warn", ["config: 1 path, 20 B"]),
        ({LossClass.SECRET: Share(1, 0)}, GateSettings(), "block", ["secret: 1 path, 0 B"]),
        (
            EVERYTHING,
            GateSettings(),
            "block",
            ["secret: 2 paths, 305 B", "config: 1 path, 20 B", "unknown: 1 path, 7 B"],
        ),
        (EVERYTHING, GateSettings((), ()), "pass", []),
        (EVERYTHING, GateSettings(("secret",), ("secret", "log")), "block", ["secret: 2 paths, 305 B"]),
        ({LossClass.LOG: Share(1, 10 * MIB)}, GateSettings(block_bytes=Space(10 * MIB + 1)), "pass", []),
        (
            {LossClass.LOG: Share(1, 10 * MIB)},
            GateSettings(warn_bytes=Space(1), block_bytes=Space(10 * MIB)),
            "block",
            ["10.0 MiB altogether, block-bytes is 10.0 MiB", "10.0 MiB altogether, warn-bytes is 1 B"],
        ),
        (
            {LossClass.LOG: Share(1, 10 * MIB)},
            GateSettings(warn_bytes=Space(1, percent=True)),  # of 1000 MiB
            "warn",
            ["10.0 MiB altogether, warn-bytes is 10.0 MiB"],
        ),
    ],
)
def test_a_gate(
    classes: dict[LossClass, Share], settings: GateSettings, verdict: str, why: list[str]
) -> None:
    found = gate.judge(Tally(classes), settings, 1000 * MIB, None)
    assert (found.verdict, [words for _, words in found.reasons]) == (verdict, why)
    spared = gate.judge(Tally(classes), settings, 1000 * MIB, TRIAL)
    assert (spared.verdict, spared.reasons, spared.spared) == ("pass", (), "this is a trial")


def test_what_was_not_looked_at_is_a_reason_to_warn() -> None:
    found = gate.judge(Tally({}, complete=False), GateSettings(), 1, None)
    assert (found.verdict, found.reasons) == ("warn", (("warn", "a part was not looked at"),))
    assert gate.judge(Tally(EVERYTHING, complete=False), GateSettings(), 1, None).verdict == "block"


def test_in_words() -> None:
    plain = Style(color=False)
    block = text(gate.judge(Tally(EVERYTHING), GateSettings(), 1, None), plain)
    assert block == (
        "block: the next boot takes away 4 paths, 332 B.\n\n"
        "  block  secret: 2 paths, 305 B\n"
        "  warn   config: 1 path, 20 B\n"
        "  warn   unknown: 1 path, 7 B\n\n"
        "What it is:  impermanence status      Not at the next boot:  impermanence next keep\n"
    )
    nothing = gate.judge(Tally({}), GateSettings(), 1, None)
    assert text(nothing, plain) == "pass: the next boot takes nothing away.\n"
    trial = gate.judge(Tally(EVERYTHING), GateSettings(), 1, TRIAL)
    assert text(trial, plain) == ("pass: this is a trial, the next boot does not take away 4 paths, 332 B.\n")
    unseen = text(gate.judge(Tally({}, complete=False), GateSettings(), 1, None), plain)
    assert unseen.startswith("warn: the next boot takes nothing away that was looked at.\n")


def test_for_programs() -> None:
    assert gate_to_json(gate.judge(Tally(EVERYTHING), GateSettings((), ("secret",)), 1, None)) == {
        "version": 1,
        "gate": "block",
        "complete": True,
        "count": 4,
        "bytes": 332,
        "classes": {
            "secret": {"count": 2, "bytes": 305},
            "config": {"count": 1, "bytes": 20},
            "unknown": {"count": 1, "bytes": 7},
        },
        "reasons": [{"gate": "block", "why": "secret: 2 paths, 305 B"}],
        "spared": None,
    }
