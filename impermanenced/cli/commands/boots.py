"""`boots`: the boots, what the hook did, and their old roots.

Two options are for units that run at each boot: --good marks this boot as complete, --alert tells logins and
the journal.  What each needs is loaded with it, and not the others'.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ...errors import UsageError
from ...lazy import Deferred
from .. import arguments
from ..arguments import add_json
from ..verb import Shared, Verb

_list = Deferred("impermanenced.cli.boots_list")
_units = Deferred("impermanenced.cli.boot_units")
_send = Deferred("impermanenced.cli.boots_send")
_MOVES = ("send", "fetch")


@dataclass(frozen=True, slots=True)
class Options:
    sizes: bool = False
    good: bool = False
    alert: bool = False
    move: tuple[str, str, str] | None = None  # one of _MOVES, the old root, and where it is sent or kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument("--sizes", action="store_true", help="also show what each old root holds")
    parser.add_argument("--good", action="store_true", help="only mark this boot as complete")
    parser.add_argument("--alert", action="store_true", help="only tell logins what went wrong")

    arguments.know_moments(parser)
    parser.add_argument(
        "move", metavar="send|fetch", nargs="?", help="send an old root elsewhere, or bring it back"
    )
    parser.add_argument("boot", metavar="N", nargs="?", help="which: the number of a boot, or a name")
    parser.add_argument("place", metavar="PLACE", nargs="?", help="a directory, or ssh:[USER@]HOST:/PATH")


def read_options(found: argparse.Namespace) -> Options:
    if found.move is None:
        return Options(found.sizes, found.good, found.alert)
    if found.move not in _MOVES:
        hint = arguments.did_you_mean(found.move, _MOVES) or f"one of {', '.join(_MOVES)}"
        raise UsageError(f"boots: there is no {found.move}", hint)
    if found.place is None or found.sizes or found.json:
        raise UsageError(f"boots {found.move}: which old root, and where?", f"boots {found.move} N PLACE")
    boot = arguments.moment(found.boot) if found.move == "send" else found.boot
    return Options(move=(found.move, boot, found.place))


def run(options: Options, shared: Shared) -> int:
    if options.move is not None:
        move, boot, place = options.move
        (_send.send_one if move == "send" else _send.fetch_one)(boot, place, shared)
    elif options.good:
        _units.mark_good()
    elif options.alert:
        _units.alert()
    else:
        _list.show(shared, sizes=options.sizes)
    return 0


verb = Verb(add_arguments, read_options, run)
