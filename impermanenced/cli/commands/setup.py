"""`setup`: create the state directory, and the file that the hook in the initrd reads."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

from ...boots import setup
from ...volumes.configured import configured
from .. import arguments, output
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    dry_run: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_dry_run(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options(found.dry_run)


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        steps = setup.run(config, machine, dry_run=options.dry_run)
    output.write(text(steps, dry_run=options.dry_run))
    return 0


verb = Verb(add_arguments, read_options, run)


def text(steps: Iterable[str], *, dry_run: bool) -> str:
    """Return the steps for a person."""
    steps = list(steps)
    if not steps:
        return "already set up: nothing to do\n"
    head = "would do, without --dry-run:" if dry_run else "done:"
    return "\n".join([head, *(f"  {step}" for step in steps)]) + "\n"
