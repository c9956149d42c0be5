"""What the next boot will decide: each reason that can be foretold is told by doctor, with its code and its
remedy, before the boot that it would spoil."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.boots import doctor, examine, remedy
from impermanenced.boots.examine import KEPT, OTHER, REFUSED, UNKNOWN, WIPED
from impermanenced.boots.reasons import REASONS, Reason
from impermanenced.cli import next_boot
from impermanenced.model import Decision, Spared
from impermanenced.report import forecast
from tests.conftest import Filesystem
from tests.shell.cuts import disturbed
from tests.shell.hook import INSTALLED, System, built
from tests.shell.test_reasons import PROVOKE, Provoked

FORETOLD = [reason for reason in REASONS if reason.foretold]


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    return System(filesystem)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def decide(system: System, provoked: Provoked, directory: Path) -> Decision:
    """What the program says, by the one way that the package has to ask it."""
    program: Path = built(INSTALLED)
    if provoked.mute:
        words = " ".join(os.fspath(word) for word in disturbed(directory, mute=1))
        wrapped = directory / "wrapped"
        wrapped.write_text(f'#!/bin/sh\nexec {words} {program} "$@"\n')
        wrapped.chmod(0o755)
        program = wrapped
    arguments = system.initrd.arguments(directory / "asked", provoked.cmdline)
    return examine.decide(arguments, program=os.fsencode(program))


@pytest.mark.parametrize("reason", FORETOLD, ids=lambda reason: reason.code)
def test_doctor_foretells(
    system: System, tmp_path: Path, stack: contextlib.ExitStack, reason: Reason
) -> None:
    provoked = PROVOKE[reason.code](system, stack) or Provoked()
    decision = decide(system, provoked, tmp_path)
    assert (decision.action, decision.code) == (reason.result, reason.code)
    wanted = remedy.of(reason.code)
    assert wanted is not None and decision.advice == wanted.line
    assert decision.why.isprintable()
    (finding,) = doctor.foretold(decision)
    assert (finding.code, finding.hint, finding.commands) == (reason.code, wanted.words, wanted.commands)
    assert decision.why in finding.what
    # Without that word the next boot rolls back: nothing is wrong for good.
    assert finding.severity == (doctor.WARNING if reason.code == "off-asked" else doctor.ERROR)
    said = next_boot.foretold(decision)
    assert decision.why in said and "wipes" not in said
    spared = forecast.of(decision, None).spared
    assert (spared is None) == (reason.code in ("off-asked", "command-line", "no-root"))


def test_every_reason_that_can_be_foretold_is_provoked() -> None:
    assert {reason.code for reason in FORETOLD} <= set(PROVOKE)


def test_nothing_is_wrong(system: System, tmp_path: Path) -> None:
    decision = decide(system, Provoked(), tmp_path)
    assert decision == Decision(WIPED)
    assert list(doctor.foretold(decision)) == []
    assert next_boot.foretold(decision) == "the next boot wipes"
    assert decide(system, Provoked("impermanence=keep"), tmp_path).action == KEPT


def test_an_old_root_is_named(system: System, tmp_path: Path) -> None:
    system.initrd.boot()
    decision = decide(system, Provoked("impermanence=boot=0"), tmp_path)
    assert (decision.action, decision.boot, decision.code) == ("booted", 0, None)
    assert next_boot.foretold(decision).startswith("the next boot gets a copy of old root 0: ")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    missing, plain = tmp_path / "missing", tmp_path / "plain"
    plain.touch()
    for program, why in ((missing, "missing: not found"), (plain, "plain: Permission denied")):
        decision = examine.decide(program=os.fsencode(program))
        assert decision.action == UNKNOWN and decision.why.endswith(why)
        (finding,) = doctor.foretold(decision)
        assert (finding.severity, finding.code) == (doctor.WARNING, None)
        assert finding.what.startswith("what the next boot will do is not known: ")


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (b"wiped\n", Decision(WIPED)),
        (b"wiped: there was no volume root\n", Decision(WIPED, why="there was no volume root")),
        (b"booted 3: asked for\n", Decision("booted", 3, "asked for")),
        (b"refused: a: b\nREASON_CODE=blank-missing\n", Decision(REFUSED, None, "a: b", "blank-missing")),
        (b"other: \x1b[31m\xff\nREASON_CODE=new-one\n", Decision(OTHER, None, r"\x1b[31m\xff", "new-one")),
        (b"", Decision(UNKNOWN, why="the program said: ")),
        (b"Killed\n", Decision(UNKNOWN, why="the program said: Killed")),
    ],
)
def test_what_the_program_says(said: bytes, decision: Decision) -> None:
    assert examine.parse(said) == decision


@pytest.mark.parametrize(
    ("decision", "known", "spared"),
    [
        (Decision(WIPED), None, None),
        (Decision(WIPED), Spared.TRIAL, None),  # setup has not been run since
        (Decision("booted", 3), None, None),
        (Decision(KEPT), Spared.HELD, "wiping pauses"),
        (Decision(KEPT), None, None),  # impermanence=keep, which may have been typed for this boot alone
        (Decision("trial"), None, "this is a trial"),
        (Decision("off", code="no-record"), None, "this machine is not set up"),
        (Decision("off", code="no-record"), Spared.TRIAL, "this is a trial"),
        (Decision("off", code="no-root"), None, None),
        (Decision("off", code="off-asked"), None, None),
        (Decision("off", code="off-asked"), Spared.TRIAL, "this is a trial"),
        (Decision(REFUSED, code="command-line"), None, None),
        (Decision(REFUSED, code="blank-missing"), None, "the rollback will be refused (blank-missing)"),
        (Decision(OTHER, code="other-subvolume"), None, "another root boots (other-subvolume)"),
        (Decision(UNKNOWN), Spared.TRIAL, "this is a trial"),
    ],
)
def test_what_is_not_taken_away(decision: Decision, known: Spared | None, spared: str | None) -> None:
    assert forecast.why(forecast.of(decision, known)) == spared
