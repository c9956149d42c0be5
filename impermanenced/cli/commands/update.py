"""`update`: the distribution's update, or a command, in the next release of the blank."""

from __future__ import annotations

import argparse
import contextlib
import os
from dataclasses import dataclass

from ...boots import history, outcome
from ...document.fields import printed
from ...document.updates import update_to_json
from ...errors import ImpermanenceError, UsageError
from ...releases import difference, listing, namespace, update
from ...releases.etc import Side
from ...releases.update import Updated, Wanted
from ...system import command
from ...volumes.configured import configured
from .. import arguments, output, release_words, update_words
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    command: tuple[str, ...] = ()
    same: bool = False
    live: bool = False
    side: Side | None = None
    dry_run: bool = False
    notice: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", metavar="COMMAND", nargs="*", help="behind --: run this, not the distribution's update"
    )
    parser.add_argument("--same", action="store_true", help="repeat what was installed and removed here")
    parser.add_argument("--live", action="store_true", help="do the same in the running system afterwards")
    parser.add_argument("--notice", action="store_true", help="say which packages the blank does not have")
    parser.add_argument("--etc", metavar="SIDE", help="mine or new, for files of /etc that both have changed")
    arguments.add_json(parser)
    arguments.add_dry_run(parser)


def read_options(found: argparse.Namespace) -> Options:
    if found.same and (found.command or found.live):
        raise UsageError("update: --same takes no command, and is live already", "impermanence update --same")
    if found.dry_run and found.live:
        raise UsageError("update: --live cannot be tried", "leave out --live or --dry-run")
    if found.etc is not None and found.etc not in list(Side):
        raise UsageError(
            f"--etc {found.etc}: it is mine or new", arguments.did_you_mean(found.etc, list(Side))
        )
    if found.command and not found.command[0]:
        raise UsageError("update: an empty command", "impermanence update -- apt-get install PACKAGE")
    if found.notice and (found.command or found.same or found.live or found.dry_run):
        raise UsageError("update: --notice stands alone", "impermanence update --notice")
    side = None if found.etc is None else Side(found.etc)
    return Options(tuple(found.command), found.same, found.live, side, found.dry_run, found.notice)


def run(options: Options, shared: Shared) -> int:
    if options.notice:
        _notice(shared)
        return 0
    with configured(shared.config) as (config, machine):
        volume = listing.volume_of(machine)
        wanted = Wanted(
            (options.command,) if options.command else (),
            options.same,
            options.side,
            options.dry_run,
            quiet=shared.json,
        )
        done = update.update(config, machine, volume, wanted, release_words.counted(shared))
    if shared.json:
        output.write(printed(update_to_json(done)))
    else:
        output.write_now(update_words.text(done, dry_run=options.dry_run))
    if shared.config is None and done.changed.release is not None:
        _missing(shared)
    if options.live and done.changed.release is not None:
        _repeat_live(done, quiet=shared.json)
    return 0


verb = Verb(add_arguments, read_options, run)


def _notice(shared: Shared) -> None:
    """Say what the next boot takes away of what was just installed; hooks of package managers call this.

    Nothing is said, and nothing fails, in a release, and where nothing is wiped.
    """
    if not namespace.is_inside():
        output.write(_missing(shared))


def _missing(shared: Shared) -> str:
    """Return the line about the packages that the next boot takes away, and have every login of the running
    system show it; "" where there are none, or where nothing is wiped.
    """
    line = ""
    with contextlib.suppress(ImpermanenceError, OSError):
        with configured(shared.config, writable=False) as (_, machine):
            rollback = history.rollback_env(machine)
            if rollback is not None and rollback.wipe:
                line = update_words.notice(difference.packages_here(machine, listing.volume_of(machine)))
        if shared.config is None:
            outcome.tell_logins(line.rstrip() or None, outcome.LOGIN_PACKAGES)
    return line


def _repeat_live(done: Updated, *, quiet: bool) -> None:
    """Run the commands in the running system too.  Raises ImpermanenceError for the first that fails."""
    for words in done.commands:
        status = command.show(words, environment=dict(os.environ), quiet=quiet)
        if status != 0:
            raise ImpermanenceError(
                f"{words[0]} failed with status {status} in the running system; the release is the blank all "
                "the same",
                "a reboot brings the release",
            )
