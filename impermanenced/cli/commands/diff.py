"""`diff`: every difference from the blank, or between any two boots, whatever its verdict.

The running root is compared with its blank in the report, which the daemon may have; all else is read from
the disk, and needs nothing that a report needs: what each loads is a third of the time.
"""

from __future__ import annotations

import argparse

from ...errors import UsageError
from ...lazy import Deferred, NamedTuple
from .. import arguments
from ..verb import Shared, Verb

_comparison = Deferred("impermanenced.cli.comparison")
_from_blank = Deferred("impermanenced.cli.from_blank")


class Options(NamedTuple):
    path: bytes | None = None
    span: tuple[str, str] | None = None  # the two moments; None: the blank and now
    view: str = ""  # one of VIEWS, or "" for a line a path


VIEWS = ("stat", "tree", "unified")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    arguments.add_moments(parser, "compare these: N..M, or N with now; also blank, now, names of old roots")
    views = parser.add_mutually_exclusive_group()
    views.add_argument("--stat", action="store_true", help="show sizes, before and after")
    views.add_argument("--tree", action="store_true", help="show directories as a tree")
    views.add_argument("-u", "--unified", action="store_true", help="show what changed in text files")
    parser.add_argument("path", metavar="PATH", nargs="?", help="show only this path, and what is below it")


def read_options(found: argparse.Namespace) -> Options:
    view = next((name for name in VIEWS if getattr(found, name)), "")
    if view and found.json:
        raise UsageError(f"--{view} and --json", "one of them")
    between = None if found.boot is None else arguments.span(found.boot)
    return Options(arguments.optional_path(found.path), between, view)


def run(options: Options, shared: Shared) -> int:
    if options.span is not None or options.view:
        _comparison.show(options.span or ("blank", "now"), options.path, options.view, shared)
    else:
        _from_blank.show(options.path, shared)
    return 0


verb = Verb(add_arguments, read_options, run)
