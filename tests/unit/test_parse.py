"""The words of the command line to a verb and its options, and what is said of wrong ones."""

from __future__ import annotations

import os

import pytest

from impermanenced.cli import main
from impermanenced.cli.commands import diff, explain, setup, status
from impermanenced.cli.parse import Parsed, parse
from impermanenced.cli.verb import Shared
from impermanenced.errors import UsageError


@pytest.mark.parametrize(
    ("argv", "parsed"),
    [
        (["status"], Parsed("status", status.Options())),
        (
            ["status", "--json", "--all", "--exit-code"],
            Parsed("status", status.Options(all=True, exit_code=True), Shared(json=True)),
        ),
        (["--config", "f", "status"], Parsed("status", status.Options(), Shared(config=b"f"))),
        (["status", "--config", "f"], Parsed("status", status.Options(), Shared(config=b"f"))),
        (
            ["--config=f", "status", "--no-pager"],
            Parsed("status", status.Options(), Shared(config=b"f", pager=False)),
        ),
        (["--json", "status"], Parsed("status", status.Options(), Shared(json=True))),
        (["--by", "unit", "status"], Parsed("status", status.Options(view="unit"))),
        (["--config", "status", "diff"], Parsed("diff", diff.Options(), Shared(config=b"status"))),
        (["--color", "never", "diff", "/a"], Parsed("diff", diff.Options(b"/a"), Shared(color="never"))),
        (["diff", "--json"], Parsed("diff", diff.Options(), Shared(json=True))),
        (["explain", "a b"], Parsed("explain", explain.Options(b"a b"))),
        (["explain", "--", "-x"], Parsed("explain", explain.Options(b"-x"))),
        (["explain", os.fsdecode(b"\xff")], Parsed("explain", explain.Options(b"\xff"))),
        (["setup", "--dry-run"], Parsed("setup", setup.Options(dry_run=True))),
        (["setup", "--off"], Parsed("setup", setup.Options(off=True))),
    ],
)
def test_parse(argv: list[str], parsed: Parsed) -> None:
    assert parse(argv) == parsed


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        ([], "no command", "status"),
        (["statsu"], "there is no command statsu", 'did you mean "status"?'),
        (["--json", "statsu"], "there is no command statsu", 'did you mean "status"?'),
        (["statsu", "diff"], "there is no command statsu", 'did you mean "status"?'),
        (["--no-pager", "statsu", "diff"], "there is no command statsu", 'did you mean "status"?'),
        (["frobnicate"], "there is no command", "one of status, explain, diff"),
        (["status", "--jsn"], "--jsn", "impermanence status --help"),
        (["status", "--js"], "--js", ""),  # options are not guessed: scripts would break with the next one
        (["status", "/a"], "/a", ""),
        (["explain"], "no path", "impermanence explain PATH"),
        (["explain", ""], "an empty path", ""),
        (["diff", "a", "b"], "b", ""),
        (["--config"], "expected one argument", ""),
        (["--config", "", "status"], "an empty path", ""),
        (["status", "--color", "blue"], "blue", ""),
    ],
)
def test_parse_refuses(argv: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "argv", [["-h"], ["--help"], ["status", "-h"], ["-h", "explain"], ["explain", "--help"]]
)
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(argv) == 0
    assert "usage: impermanence" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["status", "--version"]) == 0
    assert capsys.readouterr().out.startswith("impermanence 0.")
