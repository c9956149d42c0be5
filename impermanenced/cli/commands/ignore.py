"""`ignore`: have no report and no alert speak of what a pattern matches."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial

from ...config.ignore import Pattern
from ...errors import UsageError
from ...keep.adopt import run as jobs
from .. import adopting, arguments
from ..formats import toml
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    patterns: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument(
        "patterns", metavar="PATTERN", nargs="+", help="as in .gitignore, relative to /: *.swp, /var/cache/"
    )


def read_options(found: argparse.Namespace) -> Options:
    for pattern in found.patterns:
        if not pattern.isprintable():
            raise UsageError("a pattern has a character that cannot be seen", "write ? for it")
        try:
            Pattern(pattern)
        except ValueError as error:
            raise UsageError(f"{pattern}: {error}", "see impermanence-config(5)") from None
    return Options(tuple(found.patterns))


def run(options: Options, shared: Shared) -> int:
    with adopting.session(shared) as session:
        session.recover()
        for pattern in options.patterns:
            if pattern in session.ground.config.ignore:
                session.say(f"{pattern} is ignored already")
                continue
            text = f"# Written by impermanence ignore.\n[watch]\nignore = [{toml.string(pattern)}]\n"
            job = session.do(partial(jobs.ignore, session.ground, session.book, text.encode()))
            session.note(job, [])
            session.say(f"{pattern} is ignored; undo: impermanence undo {job.number}")
        session.finish()
    return 0


verb = Verb(add_arguments, read_options, run)
