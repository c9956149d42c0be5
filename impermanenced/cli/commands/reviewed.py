"""`reviewed`: say that somebody has looked at what a boot lost."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ...boots import history
from ...boots.old_roots import Archive
from ...boots.unreviewed import unreviewed
from ...errors import UsageError
from ...volumes.configured import configured
from .. import next_boot, output, wording
from ..arguments import boot_number
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    number: int | None  # of the boot; a negative one counts back from the running boot; None: all that wait


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="of every boot that waits for it")
    parser.add_argument("number", metavar="N", nargs="?", help="the number of the boot, or -1")


def read_options(found: argparse.Namespace) -> Options:
    if found.all == (found.number is not None):
        raise UsageError("which boot?", "the number of a boot, or --all; impermanence boots lists what waits")
    return Options(None if found.all else boot_number(found.number))


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    with configured(shared.config) as (config, machine), Archive(config, machine) as archive:
        if options.number is not None:
            number = history.number_of(options.number, config, machine)
            done = "is reviewed" if archive.review(number) else "was reviewed already"
            output.write(f"boot {number} {done}: its old root goes when it is old enough\n")
            return 0
        there = {root.number for root in archive.read().roots}
        waiting = unreviewed(machine, archive.path, config.archive.keep_unreviewed)
        numbers = [number for number in waiting if number in there]
        for number in numbers:
            archive.review(number)
    output.write(f"{wording.plural(len(numbers), 'boot')} reviewed\n")
    return 0


verb = Verb(add_arguments, read_options, run)
