"""`boots`: the boots, what the hook did, and their old roots.

Two options are for units that run at each boot: --good marks this boot as complete, --alert tells logins and
the journal.  What each needs is loaded with it, and not the others'.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ...system.lazy import Deferred
from ..arguments import add_json
from ..verb import Shared, Verb

_list = Deferred("impermanenced.cli.boots_list")
_units = Deferred("impermanenced.cli.boot_units")


@dataclass(frozen=True, slots=True)
class Options:
    sizes: bool = False
    good: bool = False
    alert: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument("--sizes", action="store_true", help="also show what each old root holds")
    parser.add_argument("--good", action="store_true", help="only mark this boot as complete")
    parser.add_argument("--alert", action="store_true", help="only tell logins what went wrong")


def read_options(found: argparse.Namespace) -> Options:
    return Options(found.sizes, found.good, found.alert)


def run(options: Options, shared: Shared) -> int:
    if options.good:
        _units.mark_good()
    elif options.alert:
        _units.alert()
    else:
        _list.show(shared, sizes=options.sizes)
    return 0


verb = Verb(add_arguments, read_options, run)
