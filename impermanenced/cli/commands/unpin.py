"""`unpin`: let `prune` delete the old root of a boot again."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ...boots import history
from ...boots.old_roots import Archive
from ...volumes.configured import configured
from .. import next_boot, output
from ..arguments import add_boot, boot_number
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    number: int  # of the boot; a negative one counts back from the running boot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_boot(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options(boot_number(found.number))


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    with configured(shared.config) as (config, machine), Archive(config, machine) as archive:
        number = history.number_of(options.number, config, machine)
        done = "is not pinned any more" if archive.unpin(number) else "was not pinned"
    output.write(f"the old root of boot {number} {done}\n")
    return 0


verb = Verb(add_arguments, read_options, run)
