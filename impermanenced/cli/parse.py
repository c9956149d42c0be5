"""The parser: from the words of the command line to a verb and its frozen options; it does and prints
nothing.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import UsageError
from ..lazy import NamedTuple
from .arguments import did_you_mean, optional_path
from .commands import COMMANDS
from .verb import Shared, Verb

HELP = f"""\
usage: impermanence [OPTIONS] COMMAND ...

What the next boot of this system would lose, and why.

commands:
{chr(10).join(f"  {name:<9} {about}" for name, about in COMMANDS.items())}

options, before or after the command:
  --config FILE             read only this file, not /etc/impermanence/config.toml
  --color auto|always|never
  --no-pager                do not pipe long output into a pager
  --version                 print the version
  -h, --help                print a summary, also of a command: impermanence status --help
"""
_WITH_VALUE = ("--config", "--color")
_FLAGS = ("--no-pager", "--version", "-h", "--help")


class Parsed(NamedTuple):
    """The command that was given: a verb with its options, or a text about the program."""

    verb: str  # one of COMMANDS, or "help" or "version"
    options: Any = None  # of the verb's own type; only its `run` reads them
    shared: Shared = Shared()
    help: str = ""


def load(name: str) -> Verb[Any]:
    """Import a verb with all that it needs, and return it; no other verb is loaded."""
    verb: Verb[Any] = importlib.import_module(f"{__package__}.commands.{name}").verb
    return verb


class _Formatter(argparse.HelpFormatter):
    """A formatter of fixed width: asking for the terminal's would load as much again as argparse, at every
    start.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse repeats what was typed; a terminal escape among it stays one.
        raise UsageError(message, f"{self.prog} --help")


class _Ask(argparse.Action):
    """The action of --help and --version, with which required arguments may be missing."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        setattr(namespace, self.dest, True)
        for action in parser._actions:
            action.required = False


def _shared_parser(prog: str, description: str) -> _Parser:
    parser = _Parser(
        prog=prog, description=description, add_help=False, allow_abbrev=False, formatter_class=_Formatter
    )
    parser.add_argument("--config", metavar="FILE", help="read only this file")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="default: auto")
    parser.add_argument("--no-pager", action="store_true", help="do not pipe long output into a pager")
    parser.add_argument("--version", action=_Ask, help="print the version")
    parser.add_argument("-h", "--help", action=_Ask, help="print this summary")
    return parser


def parser_of(name: str, verb: Verb[Any]) -> argparse.ArgumentParser:
    """Return the parser of a verb."""
    parser = _shared_parser(f"impermanence {name}", COMMANDS[name])
    verb.add_arguments(parser)
    return parser


def _shared(found: argparse.Namespace) -> Shared:
    return Shared(
        config=optional_path(found.config),
        color=found.color,
        pager=not found.no_pager,
        json=getattr(found, "json", False),
    )


def _verb_at(argv: Sequence[str]) -> int | None:
    """Return where the verb is, or None.  A word behind an option may be its value, unless it is a verb."""
    before, likely = "", None
    for index, word in enumerate(argv):
        value = before in _WITH_VALUE
        if not value and not word.startswith("-"):
            if word in COMMANDS or before in ("", *_FLAGS) or "=" in before:
                return index
            likely = index if likely is None else likely
        before = "" if value else word
    return likely


def parse(argv: Sequence[str]) -> Parsed:
    """Return what the words mean.  Raises UsageError with what is wrong, and a hint."""
    at = _verb_at(argv)
    if at is None:
        found = _shared_parser("impermanence", "").parse_args(argv)
        if found.version or found.help:
            return Parsed("version" if found.version else "help", help=HELP)
        raise UsageError("no command", f"one of {', '.join(COMMANDS)}; impermanence --help")
    name = argv[at]
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or f"one of {', '.join(COMMANDS)}"
        raise UsageError(f"there is no command {name}", hint)
    verb = load(name)
    parser = parser_of(name, verb)
    found = parser.parse_args([*argv[:at], *argv[at + 1 :]])
    if found.version or found.help:
        return Parsed("version" if found.version else "help", help=parser.format_help())
    options = verb.options(found)
    return Parsed(name, options, _shared(found))
