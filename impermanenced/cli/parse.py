"""The words of the command line to frozen options.  Nothing is done and nothing printed here."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from ..errors import UsageError

COMMANDS = {
    "status": "what the next boot would lose",
    "explain": "why a path would be lost, or would not",
    "diff": "everything that differs from the blank",
    "suggest": "the declarations that would keep what would be lost",
    "gate": "whether a reboot may come now: pass, warn or block",
    "watch": "what is written that the next boot would lose, as it happens",
    "next": "ask for something else than a wipe at the next boot, for once",
    "boots": "the boots, what the hook did, and their old roots",
    "setup": "make this machine an impermanent one",
    "doctor": "what stands in the way of a rollback that works",
    "prune": "delete old roots that nobody needs any more",
    "pin": "keep the old root of a boot whatever its age",
    "unpin": "let it go with the others again",
}
HELP = f"""\
usage: impermanence [OPTIONS] COMMAND ...

What the next boot of this system would lose, and why.

commands:
{chr(10).join(f"  {name:<9} {about}" for name, about in COMMANDS.items())}

options, before or after the command:
  --config FILE             read this file alone, not /etc/impermanence/config.toml
  --color auto|always|never
  --no-pager
  --version
  -h, --help                also of a command: impermanence status --help
"""
VIEWS = ("unit", "app", "directory", "user", "class")
FORMATS = ("toml", "impermanence", "preservation", "home-manager", "tmpfiles")
ORDERS = ("score", "size", "time", "path")
REQUESTS = ("wipe", "keep", "boot", "cancel")
_NEXT = "impermanence next [wipe | keep [--boots N] | boot N | cancel]"
_WITH_VALUE = ("--config", "--color", "-n", "--lines", "--format", "--persist")


_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_LINES = re.compile(r"0|[1-9][0-9]{0,8}")
_BOOT = re.compile(r"0|-?[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Options:
    command: str  # one of COMMANDS, or "help" or "version"
    help: str = ""
    config: bytes | None = None
    color: str = "auto"
    pager: bool = True
    json: bool = False
    all: bool = False
    exit_code: bool = False
    dry_run: bool = False
    path: bytes | None = None
    paths: tuple[bytes, ...] = ()
    format: str = "toml"  # one of FORMATS
    persist: bytes | None = None
    whole: bool = False
    yes: bool = False
    number: int | None = None  # of the boot that pin and unpin are about
    request: str | None = None  # one of REQUESTS
    boot: int | None = None  # the number of a boot; negative: counted back from the running one
    boots: int = 1
    sizes: bool = False
    good: bool = False
    view: str | None = None  # one of VIEWS
    order: str = "score"  # one of ORDERS
    since: str | None = None  # "settled", "-1", or a time
    alert: bool = False
    lines: int | None = 10  # of watch, to begin with; None: all there are
    notify: bool = False


class _Formatter(argparse.HelpFormatter):
    """Of a fixed width: asking for the terminal's loads as much again as argparse, at every start."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse repeats what was typed; a terminal escape among it stays one.
        raise UsageError(message, f"{self.prog} --help")


def _common(prog: str, description: str) -> _Parser:
    parser = _Parser(
        prog=prog, description=description, add_help=False, allow_abbrev=False, formatter_class=_Formatter
    )
    parser.add_argument("--config", metavar="FILE", help="read this file alone")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--no-pager", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    return parser


def _of(command: str) -> _Parser:
    parser = _common(f"impermanence {command}", COMMANDS[command])
    if command in ("status", "diff", "boots", "suggest", "gate", "doctor"):
        parser.add_argument("--json", action="store_true", help="for programs: one JSON document")
    if command == "watch":
        parser.add_argument("--json", action="store_true", help="for programs: one JSON object a line")
        parser.add_argument(
            "-n", "--lines", metavar="N|all", help="so many of before, to begin with (10)"
        )
        parser.add_argument("--notify", action="store_true", help="on the desktop, in place of lines")
    if command == "status":
        parser.add_argument("--all", action="store_true", help="also what is kept, declared or ignored")
        parser.add_argument(
            "--exit-code", action="store_true", help="exit with 3 when something would be lost"
        )
        parser.add_argument("--by", choices=VIEWS, help="one row each of these, in place of things")
        parser.add_argument("--since", metavar="settled|-1|TIME", help="only what came since then")
        parser.add_argument("--sort", choices=ORDERS, default="score")
    if command in ("explain", "diff"):
        parser.add_argument("path", metavar="PATH", nargs="?", help="only this, and what is below")
    if command == "suggest":
        parser.add_argument("paths", metavar="PATH", nargs="*", help="only for these, and what is below")
        parser.add_argument("--format", choices=FORMATS, default="toml")
        parser.add_argument("--persist", metavar="VOLUME", help="the persist volume, such as /persist")
        parser.add_argument("--whole", action="store_true", help="also what is declared already")
        parser.add_argument(
            "--all", action="store_true", help="also logs, and what is better kept in another way"
        )
    if command == "prune":
        parser.add_argument("--json", action="store_true", help="for programs: one JSON document")
        parser.add_argument("--dry-run", action="store_true", help="list them, delete nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
    if command in ("pin", "unpin"):
        parser.add_argument("number", metavar="N", help="the number of the boot")
    if command == "next":
        parser.add_argument("request", metavar="wipe|keep|boot|cancel", nargs="?")
        parser.add_argument("boot", metavar="N", nargs="?", help="of boot: the number of a boot, or -1")
        parser.add_argument("--boots", metavar="N", help="of keep: for so many boots")
    if command == "boots":
        parser.add_argument("--sizes", action="store_true", help="also what each old root holds")
        parser.add_argument("--good", action="store_true", help="only say that this boot is complete")
        parser.add_argument("--alert", action="store_true", help="only tell logins what went wrong")
    if command in ("setup", "next"):
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, change nothing")
    return parser


def _command_at(argv: Sequence[str]) -> int | None:
    skip = False
    for index, word in enumerate(argv):
        if not skip and not word.startswith("-"):
            return index
        skip = word in _WITH_VALUE and not skip
    return None


def parse(argv: Sequence[str]) -> Options:
    """UsageError says what is wrong, and hints at what was likely meant."""
    at = _command_at(argv)
    if at is None:
        found = _common("impermanence", "").parse_args(argv)
        if found.version or found.help:
            return Options("version" if found.version else "help", help=HELP)
        raise UsageError("no command", f"one of {', '.join(COMMANDS)}; impermanence --help")
    command = argv[at]
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1, cutoff=0.5)
        meant = f'did you mean "{close[0]}"?' if close else f"one of {', '.join(COMMANDS)}"
        raise UsageError(f"there is no command {command}", meant)
    parser = _of(command)
    found = parser.parse_args([*argv[:at], *argv[at + 1 :]])
    if found.version or found.help:
        return Options("version" if found.version else "help", help=parser.format_help())
    path = getattr(found, "path", None)
    if command == "explain" and path is None:
        raise UsageError("no path to explain", "impermanence explain PATH")
    paths = getattr(found, "paths", [])
    persist = getattr(found, "persist", None)
    if "" in (path, persist, found.config, *paths):
        raise UsageError("an empty path")
    number = getattr(found, "number", None)
    if number is not None and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise UsageError(f"{number} is not the number of a boot", f"for example: impermanence {command} 128")
    boot, boots = _request(found) if command == "next" else (None, 1)
    return Options(
        command,
        config=None if found.config is None else os.fsencode(found.config),
        color=found.color,
        pager=not found.no_pager,
        json=getattr(found, "json", False),
        all=getattr(found, "all", False),
        exit_code=getattr(found, "exit_code", False),
        dry_run=getattr(found, "dry_run", False),
        path=None if path is None else os.fsencode(path),
        paths=tuple(os.fsencode(one) for one in paths),
        format=getattr(found, "format", "toml"),
        persist=None if persist is None else os.fsencode(persist),
        whole=getattr(found, "whole", False),
        yes=getattr(found, "yes", False),
        number=None if number is None else int(number),
        request=getattr(found, "request", None),
        boot=boot,
        boots=boots,
        sizes=getattr(found, "sizes", False),
        good=getattr(found, "good", False),
        alert=getattr(found, "alert", False),
        view=getattr(found, "by", None),
        order=getattr(found, "sort", "score"),
        since=getattr(found, "since", None),
        lines=_lines(found) if command == "watch" else 10,
        notify=getattr(found, "notify", False),
    )


def _lines(found: argparse.Namespace) -> int | None:
    if found.notify and (found.json or found.lines is not None):
        raise UsageError("watch: --json and --lines do not go with --notify", "impermanence watch --help")
    word = "10" if found.lines is None else found.lines
    if word != "all" and not _LINES.fullmatch(word):
        raise UsageError(f"--lines {word}: not a number of lines", 'a number, 0 or more, or "all"')
    return None if word == "all" else int(word)


def _request(found: argparse.Namespace) -> tuple[int | None, int]:
    """The boot to go back to, and for how many boots a request holds; UsageError when they do not fit."""
    if found.request is not None and found.request not in REQUESTS:
        close = difflib.get_close_matches(found.request, REQUESTS, n=1, cutoff=0.5)
        raise UsageError(
            f"next: there is no request {found.request}", f'did you mean "{close[0]}"?' if close else _NEXT
        )
    if (found.request == "boot") != (found.boot is not None):
        raise UsageError("next: the number of a boot goes with boot, and only with it", _NEXT)
    if found.boots is not None and found.request != "keep":
        raise UsageError("next: --boots goes with keep", _NEXT)
    boot = None if found.boot is None else boot_number(found.boot)
    if found.boots is None:
        return boot, 1
    if not _COUNT.fullmatch(found.boots):
        raise UsageError(f"--boots {found.boots}: not a number of boots", "1 to 999999999")
    return boot, int(found.boots)


def boot_number(word: str) -> int:
    """The number of a boot as it is typed: N, or -1 for the previous one as in journalctl -b -1."""
    if not _BOOT.fullmatch(word):
        raise UsageError(f"{word} is not the number of a boot", "a number of impermanence boots, or -1")
    return int(word)
