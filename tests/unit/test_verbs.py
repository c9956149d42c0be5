"""Each verb is a file, a line in the table, help, and a part of the man page that agrees with its parser."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.cli import commands, main
from impermanenced.cli.commands import COMMANDS
from impermanenced.cli.parse import HELP, load, parse, parser_of

PAGE = (Path(__file__).parents[2] / "docs/impermanence.1.scd").read_text()
SHARED = {"--config", "--color", "--no-pager", "--version", "--help", "-h"}
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def part(title: str) -> str:
    """What stands below a heading of the man page."""
    return PAGE.partition(f"# {title}\n")[2].partition("\n# ")[0]


def synopsis(verb: str) -> str:
    start = f"*impermanence* [_OPTIONS_] *{verb}*"
    (line,) = [line for line in part("SYNOPSIS").splitlines() if line.startswith(start)]
    return line.removeprefix(start).removesuffix("++")


def description(verb: str) -> str:
    """What COMMANDS has of a verb: from the line that begins with it to the next verb's."""
    found = [
        text
        for text in re.split(r"^(?=\*)", part("COMMANDS"), flags=re.MULTILINE)
        if f"*{verb}*" in text.partition("\n")[0]
    ]
    assert len(found) == 1, f"{verb} is described {len(found)} times"
    return found[0]


def own(verb: str) -> list[argparse.Action]:
    """What a verb's parser takes beside the shared options."""
    actions = parser_of(verb, load(verb))._actions
    return [action for action in actions if not SHARED & set(action.option_strings)]


def own_options(verb: str) -> list[argparse.Action]:
    return [action for action in own(verb) if action.option_strings]


def test_each_module_is_registered_and_each_verb_has_one() -> None:
    modules = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules == set(COMMANDS)


def test_the_summary_names_every_verb() -> None:
    for verb, about in COMMANDS.items():
        assert re.search(rf"^  {verb} +{re.escape(about)}$", HELP, re.MULTILINE)


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_needs_no_argument_and_names_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: impermanence {verb} ") and COMMANDS[verb] in told
    for action in own_options(verb):
        assert all(word in told for word in action.option_strings)
    assert parse(["-h", verb]).verb == "help"
    assert parse([verb, "--version", "-h"]).verb == "version"


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_synopsis_is_that_of_the_parser(verb: str) -> None:
    text = synopsis(verb)
    for action in own_options(verb):
        (word, *more) = [word for word in action.option_strings if re.search(rf"{word}(?![a-z-])", text)]
        assert not more, f"{verb}: {more} is {word} once more"
        takes_value = re.search(rf"{word} _[A-Za-z|]+_", text) is not None
        assert takes_value == (action.nargs != 0), f"{verb} {word}"
    words = {word for action in own(verb) for word in action.option_strings}
    assert set(OPTION.findall(text)) <= words
    places = [action for action in own(verb) if not action.option_strings]
    if verb in ("next", "blank", "boots"):  # their words are spelled out
        assert all(f"*{word}*" in text for word in str(places[0].metavar).split("|"))
    else:
        bare = re.sub(r"--?[a-z-]+ _[A-Z]+_", "", text)
        assert re.findall(r"_([A-Z]+)_(\.\.\.)?", bare) == [
            (action.metavar, "..." if action.nargs in ("*", "+") else "") for action in places
        ]


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_man_page_describes_every_option_of_a_verb_and_no_other(verb: str) -> None:
    text = description(verb)
    described = set(re.findall(r"^\t\*(-[^*]+)\*", text, re.MULTILINE))
    described |= set(re.findall(r"^\t\*-[^*]+\*, \*(-[^*]+)\*", text, re.MULTILINE))
    words = {word for action in own_options(verb) for word in action.option_strings}
    inside = {word for word in words if f"*{word}*" in text}  # of a word, as `keep` of `next` has one
    assert described <= words
    if f"\n*{verb} --json* " in part("JSON"):
        inside.add("--json")
    assert words - described - inside == set()


def test_the_summary_loads_no_verb_and_little_else() -> None:
    script = (
        "import sys; from impermanenced.cli import main; main.main(['--help']); "
        "heavy = {'dataclasses', 'json', 'subprocess', 'impermanenced.model', 'impermanenced.cli.source'}; "
        "found = [name for name in sys.modules if name in heavy or '.cli.commands.' in name]; "
        "sys.exit(', '.join(found) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_verb_loads_no_other() -> None:
    script = (
        "import sys; from impermanenced.cli import main; main.main([sys.argv[1], '--help']); "
        "sys.stderr.write(' '.join(name for name in sys.modules if '.cli.commands.' in name))"
    )
    for verb in COMMANDS:
        argv = [sys.executable, "-c", script, verb]
        result = subprocess.run(argv, check=True, capture_output=True, text=True)
        assert result.stderr == f"impermanenced.cli.commands.{verb}"
