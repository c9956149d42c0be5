"""`next`: override what the next boot does."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

from ...boots import requests
from ...boots.requests import CANCEL
from ...config.load import Config
from ...errors import UsageError
from ...lazy import regex
from ...report.forecast import foretell
from ...volumes.configured import configured
from ...volumes.machine import Machine
from .. import next_boot, output
from ..arguments import add_dry_run, boot_number, did_you_mean
from ..verb import Shared, Verb

REQUESTS = ("wipe", "keep", "boot", CANCEL)
_HINT = "impermanence next [wipe | keep [--boots N] | boot N | cancel]"
_COUNT = regex(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Options:
    request: str | None = None  # one of REQUESTS; None: show the current request
    boot: int | None = None  # for "boot": its number; a negative one counts back from the running boot
    boots: int = 1  # for "keep": how many boots keep the root
    dry_run: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request", metavar="wipe|keep|boot|cancel", nargs="?", help="default: show the request"
    )
    parser.add_argument("boot", metavar="N", nargs="?", help="for boot: the number of a boot, or -1")
    parser.add_argument("--boots", metavar="N", help="for keep: at how many boots (default: 1)")
    add_dry_run(parser)


def read_options(found: argparse.Namespace) -> Options:
    if found.request is not None and found.request not in REQUESTS:
        hint = did_you_mean(found.request, REQUESTS) or _HINT
        raise UsageError(f"next: there is no request {found.request}", hint)
    if (found.request == "boot") != (found.boot is not None):
        raise UsageError("next: the number of a boot goes with boot, and only with it", _HINT)
    if found.boots is not None and found.request != "keep":
        raise UsageError("next: --boots goes with keep", _HINT)
    boot = None if found.boot is None else boot_number(found.boot)
    if found.boots is not None and not _COUNT.fullmatch(found.boots):
        raise UsageError(f"--boots {found.boots}: not a number of boots", "1 to 999999999")
    return Options(found.request, boot, int(found.boots or 1), found.dry_run)


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        if options.request is None:
            said = _asked_for(config, machine)
        elif options.request == CANCEL:
            said = requests.withdraw(machine, dry_run=options.dry_run)
        else:
            said = requests.ask(
                config,
                machine,
                options.request,
                boot=options.boot,
                boots=options.boots,
                dry_run=options.dry_run,
            )
    output.write(said)
    return 0


verb = Verb(add_arguments, read_options, run)


def _asked_for(config: Config, machine: Machine) -> str:
    pending = requests.pending(machine)
    forecast = foretell(config, machine)
    if pending is not None:
        return next_boot.asked(pending, forecast.decision, time.time())
    return next_boot.nothing_asked(forecast, trial=not config.rollback.wipe)
