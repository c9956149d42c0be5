"""`status`: what the next boot would lose.

What is printed for a person, and the state of declarations, is loaded when it is asked for: a program that
reads the JSON waits for neither.
"""

from __future__ import annotations

import argparse
import time

from ...document.fields import printed
from ...document.status import status_to_json
from ...errors import UsageError
from ...lazy import Deferred, NamedTuple
from ...report.forecast import loses
from .. import output, source
from ..arguments import add_json
from ..verb import LOST, Shared, Verb

_declared = Deferred("impermanenced.cli.declared")
_next_boot = Deferred("impermanenced.cli.next_boot")
_since = Deferred("impermanenced.cli.since")
_text = Deferred("impermanenced.cli.status_text")

# The names of `rows.ORDERS` and `rows.VIEWS`, which a test compares.
ORDERS = ("score", "size", "time", "path")
VIEWS = ("unit", "app", "directory", "user", "class")


class Options(NamedTuple):
    all: bool = False
    exit_code: bool = False
    view: str | None = None  # one of VIEWS
    order: str = "score"  # one of ORDERS
    since: str | None = None  # "settled", "-1", or a time
    persist: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument("--all", action="store_true", help="also show what is persisted, hidden or ignored")
    parser.add_argument("--exit-code", action="store_true", help="exit with 3 if anything would be lost")
    parser.add_argument("--persist", action="store_true", help="show the state of each declaration instead")
    parser.add_argument("--by", choices=VIEWS, help="show one row for each of these, in place of things")
    parser.add_argument("--since", metavar="settled|-1|TIME", help="show only what was written since then")
    parser.add_argument("--sort", choices=ORDERS, default="score", help="default: score")


def read_options(found: argparse.Namespace) -> Options:
    if found.persist and (found.by or found.since or found.sort != "score"):
        raise UsageError("--persist is about declarations", "it goes with --all, --exit-code and --json")
    return Options(found.all, found.exit_code, found.by, found.sort, found.since, found.persist)


def run(options: Options, shared: Shared) -> int:
    if options.persist:
        kept = _declared.show(shared, whole=options.all)
        return LOST if options.exit_code and not kept else 0
    report, moment = source.fetch(shared.config), None
    if options.since is not None:
        report, moment = _since.only(report, options.since, time.time())
    if report.forecast is None:
        report = report._replace(forecast=_next_boot.forecast_of(report, shared.config))
    if shared.json:
        document = status_to_json(report, all_verdicts=options.all, since=moment)
        output.write(printed(document))
    else:
        _text.show(report, options, shared, moment)
    return LOST if options.exit_code and loses(report) else 0


verb = Verb(add_arguments, read_options, run)
