"""The line on stderr that says what long work is at."""

from __future__ import annotations

import os
import sys

import pytest

from impermanenced.cli.output import WAITING_EACH, Line

DAEMON = "impermanenced makes the report, 10 s so far"


def test_work_that_has_nothing_to_say_writes_no_empty_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Before its first step `persist` wrote one every ten seconds, between those that the report was made."""
    job, report = Line(), Line()
    job.show("", WAITING_EACH)
    report.show(DAEMON, WAITING_EACH)
    job.show("", 2 * WAITING_EACH)
    job.show("copying", 2 * WAITING_EACH + 1)
    assert capsys.readouterr().err == f"impermanence: {DAEMON}\nimpermanence: copying\n"


def test_on_a_terminal_it_leaves_the_line_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """It took the line that the report was made away as soon as that was shown."""
    master, terminal = os.openpty()
    with os.fdopen(master, "rb") as screen, os.fdopen(terminal, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        Line().show(DAEMON, 2)
        Line().show("", 2)
        stderr.write("\n")
        stderr.flush()
        assert screen.readline() == f"\r\x1b[K{DAEMON}\r\n".encode()
