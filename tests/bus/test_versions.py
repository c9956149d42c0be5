"""A daemon of another version, or one whose answer is broken: the command says so in one line, and fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced.bus.answers import FromReport
from impermanenced.bus.sealed import sealed_file
from impermanenced.document.report import report_pieces

from .conftest import NOBODY, REPOSITORY, Bus, wait_until
from .test_service import REPORT, Served

PROGRAM = """\
import os, sys
sys.path.insert(0, sys.argv.pop(2))
from impermanenced.cli.main import main
uid = int(sys.argv.pop(1))
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
sys.exit(main())
"""


class Broken(FromReport):
    """Answers with a text in place of the report."""

    def __init__(self, text: str) -> None:
        super().__init__(REPORT)
        self._text = text

    def document(self, uid: int) -> int:
        return sealed_file([self._text])


@pytest.fixture
def served(bus: Bus, tmp_path: Path) -> Iterator[Served]:
    served = Served(bus)
    served.config = os.fsencode(tmp_path / "config.toml")
    (tmp_path / "config.toml").touch()
    try:
        yield served
    finally:
        served.close()


def run(bus: Bus, served: Served, text: str, *argv: str) -> subprocess.Popen[str]:
    """The command as a user, who cannot look for themselves; it has ended."""
    served.answers = lambda _: Broken(text)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(NOBODY), REPOSITORY, "--config", served.config, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=bus.environment,
        cwd="/",
    )
    wait_until(lambda: process.poll() is not None, "the end of the command")
    return process


def changed(change: Callable[[Any], object]) -> str:
    document = json.loads("".join(report_pieces(REPORT)))
    change(document)
    return json.dumps(document)


WHOLE = "".join(report_pieces(REPORT))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed(lambda d: d.update(version=2)), "version: 2 is newer than this program's 1"),
        (changed(lambda d: d.pop("version")), "version: is missing"),
        (changed(lambda d: d["entries"][1].pop("inode")), "entries[1].inode: is missing"),
        (changed(lambda d: d["entries"][0].update(verdict="\x1b[31m")), "entries[0].verdict: '\\x1b[31m' is"),
        (changed(lambda d: d["entries"][0].update(loss="treasure")), "entries[0].loss: 'treasure' is not"),
        (WHOLE[: len(WHOLE) // 2], "is cut off or no JSON"),
        ("", "is cut off or no JSON"),
    ],
    ids=["newer", "no version", "older", "verdict", "class", "half", "empty"],
)  # fmt: skip
def test_it_says_so_in_one_line(bus: Bus, served: Served, text: str, why: str) -> None:
    for argv in (["status"], ["status", "--json"], ["diff"], ["explain", "/etc"], ["suggest"]):
        process = run(bus, served, text, *argv)
        out, err = process.communicate()
        message, hint = err.splitlines()
        assert (process.returncode, out) == (1, ""), err
        assert message.startswith("impermanence: impermanenced: its report ") and why in message
        assert hint.startswith("hint: ")


def test_the_whole_one_is_taken(bus: Bus, served: Served) -> None:
    process = run(bus, served, WHOLE, "status", "--json")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert len(json.loads(out)["entries"]) == len(REPORT.entries)
