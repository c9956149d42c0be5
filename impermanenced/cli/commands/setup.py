"""`setup`: make this machine an impermanent one, and take it back; write anew what the hook obeys."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...boots import off, setup
from ...config.load import VolumeSettings, load
from ...errors import ConfigError, NotPermitted, UsageError
from ...setup.plan import Accounts
from ...setup.state import is_converted
from ...volumes.configured import configured
from .. import arguments, converting, output
from ..converting import Asked
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    off: bool = False
    remove: bool = False
    trial: bool = False
    dry_run: bool = False
    yes: bool = False
    accounts: Accounts | None = None  # None: the person is asked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trial", action="store_true", help="set up a machine that wipes nothing yet")
    parser.add_argument("--remove", action="store_true", help="make this a normal machine again")
    parser.add_argument("--off", action="store_true", help="switch wiping off, for every initrd there is")
    parser.add_argument(
        "--accounts",
        choices=tuple(Accounts),
        metavar="|".join(Accounts),
        help="whose accounts a boot has: the blank's, or what is changed here follows into it",
    )
    arguments.add_dry_run(parser)
    arguments.add_yes(parser)
    arguments.add_json(parser)


def read_options(found: argparse.Namespace) -> Options:
    if sum((found.off, found.remove, found.trial)) > 1:
        raise UsageError("setup: --trial, --remove and --off exclude each other")
    if found.off and (found.yes or found.json):
        raise UsageError("setup: --off asks nothing, and prints no JSON")
    if found.accounts is not None and (found.off or found.remove):
        raise UsageError("setup: --accounts is for setting a machine up")
    accounts = None if found.accounts is None else Accounts(found.accounts)
    return Options(found.off, found.remove, found.trial, found.dry_run, found.yes, accounts)


def run(options: Options, shared: Shared) -> int:
    if options.off:
        _switch_off(options, shared)
        return 0
    if shared.config is None:
        if os.geteuid() != 0:
            raise NotPermitted("setting a machine up needs root", "run it as root")
        volumes = load(None).volumes
        if options.remove:
            return converting.take_back(volumes, shared, dry_run=options.dry_run, yes=options.yes)
        if not is_converted(volumes):
            asked = Asked(options.trial, options.dry_run, options.yes, options.accounts)
            return converting.run(volumes, shared, asked)
    elif options.remove:
        raise UsageError("setup: --remove is about the system that runs, and takes no --config")
    if options.accounts is not None:
        unit = "impermanence-accounts.service"
        raise UsageError("setup: it is set up", f"systemctl enable {unit} or disable {unit} is that choice")
    if options.trial:
        raise UsageError("setup: it is set up; wipe = false below [rollback], and setup, make it a trial")
    with configured(shared.config) as (config, machine):
        steps = setup.run(config, machine, dry_run=options.dry_run)
    output.write(text(steps, dry_run=options.dry_run))
    return 0


verb = Verb(add_arguments, read_options, run)


def _switch_off(options: Options, shared: Shared) -> None:
    if os.geteuid() != 0:
        raise NotPermitted("switching wiping off needs root", "run it as root")
    try:
        volumes = load(shared.config).volumes
    except ConfigError as error:
        if shared.config is not None:
            raise
        # Whoever removes the package must not mend its configuration first.
        output.complain(f"{error.message}; the system that runs is switched off", error.hint)
        volumes = (VolumeSettings(),)
    steps = off.run(volumes, dry_run=options.dry_run)
    output.write(text_off(steps, off.reminder(volumes), dry_run=options.dry_run))


def text_off(steps: Sequence[str] | None, reminder: str | None, *, dry_run: bool) -> str:
    """Return the steps of --off for a person, with what is left to do and how to undo it."""
    if steps is None:
        return "no BTRFS is mounted there, so nothing is rolled back: nothing to do\n"
    lines = [text(steps, dry_run=dry_run).rstrip()] if steps else ["already off: nothing to do"]
    if reminder is not None:
        lines.append(f"left to do: {reminder}")
    if steps and not dry_run:
        lines.append("undo: impermanence setup")
    return "\n".join(lines) + "\n"


def text(steps: Iterable[str], *, dry_run: bool) -> str:
    """Return the steps for a person."""
    steps = list(steps)
    if not steps:
        return "already set up: nothing to do\n"
    head = "would do, without --dry-run:" if dry_run else "done:"
    return "\n".join([head, *(f"  {step}" for step in steps)]) + "\n"
