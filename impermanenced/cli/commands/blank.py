"""`blank`: the blank as a release of the machine: list, show, verify and compare them, make one, go back."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ...config.load import Config
from ...document.fields import printed
from ...document.releases import (
    accounts_to_json,
    change_to_json,
    difference_to_json,
    releases_to_json,
    verification_to_json,
)
from ...errors import UsageError
from ...model import Volume
from ...releases import accounts, change, copies, difference, listing, verification
from ...releases.listing import Known, Place, Releases
from ...releases.record import Maker
from ...text import first_of, to_text
from ...volumes.configured import configured
from ...volumes.machine import Machine
from .. import arguments, output, release_words
from ..arguments import did_you_mean
from ..verb import LOST, Shared, Verb

ACTIONS = ("list", "show", "verify", "diff", "create", "accounts", "revert")
MOST = 5  # accounts that the record of a release names
_HINT = (
    "impermanence blank list | show [N] | verify [N] | diff [N [M]] | create [PATH...] | accounts | revert N"
)
_MOST_WORDS = {"list": 0, "show": 1, "verify": 1, "diff": 2, "accounts": 0, "revert": 1}


@dataclass(frozen=True, slots=True)
class Options:
    action: str = "show"
    numbers: tuple[int, ...] = ()  # of releases; negative ones count back from the blank
    paths: tuple[bytes, ...] = ()  # for "create": what is brought along from the running system
    source: bytes | None = None  # for "create": the subvolume to make it from
    volume: str | None = None
    content: bool = False
    dry_run: bool = False


Action: TypeAlias = Callable[[Options, Shared, Config, Machine, Volume], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="|".join(ACTIONS), nargs="?", help="default: show")
    parser.add_argument("words", metavar="WORD", nargs="*", help="numbers of releases; for create: paths")
    parser.add_argument("--volume", metavar="NAME", help="the volume whose blank it is (default: the root)")
    parser.add_argument("--from", dest="source", metavar="SUBVOLUME", help="for create: not from the blank")
    parser.add_argument("--content", action="store_true", help="for verify: read every file")
    arguments.add_json(parser)
    arguments.add_dry_run(parser)


def read_options(found: argparse.Namespace) -> Options:
    action = found.action or "show"
    if action not in ACTIONS:
        raise UsageError(f"blank: there is no {action}", did_you_mean(action, ACTIONS) or _HINT)
    if (found.source is not None and action != "create") or (found.content and action != "verify"):
        raise UsageError("blank: --from goes with create, and --content with verify", _HINT)
    if found.dry_run and action not in ("create", "accounts", "revert"):
        raise UsageError(f"blank: {action} changes nothing anyway", _HINT)
    most = _MOST_WORDS.get(action, len(found.words))
    if len(found.words) > most or (action == "revert" and not found.words):
        raise UsageError(f"blank: {action} takes {'one number' if most == 1 else f'{most} numbers'}", _HINT)
    if action == "create":
        source = None if found.source is None else arguments.path(found.source).strip(b"/")
        paths = tuple(os.path.abspath(arguments.path(word)) for word in found.words)
        return Options(action, (), paths, source, found.volume, dry_run=found.dry_run)
    numbers = tuple(arguments.release_number(word) for word in found.words)
    return Options(action, numbers, (), None, found.volume, found.content, found.dry_run)


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        volume = listing.volume_of(machine, options.volume)
        return _ACTIONS[options.action](options, shared, config, machine, volume)


verb = Verb(add_arguments, read_options, run)


def _list(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    releases = listing.read(machine, volume)
    if shared.json:
        output.write(printed(releases_to_json(releases)))
    else:
        output.write_long(release_words.table(releases, time.time()), shared)
    return 0


def _show(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    releases = listing.read(machine, volume)
    known = _meant(releases, options)
    if shared.json:
        output.write(printed(releases_to_json(releases, [known])))
    else:
        output.write(release_words.one(releases, known, time.time()))
    return 0


def _verify(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    releases = listing.read(machine, volume)
    known = _meant(releases, options)
    found = verification.verify(machine, releases, known, content=options.content)
    if shared.json:
        document = verification_to_json(known, found.faults, found.paths, content=options.content)
        output.write(printed(document))
    else:
        output.write(release_words.verified(known, found, content=options.content))
    return LOST if found.faults or found.paths else 0


def _diff(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    releases = listing.read(machine, volume)
    before, after = _pair(releases, options.numbers)
    found = difference.between(machine, volume, _there(before), _there(after))
    if shared.json:
        output.write(printed(difference_to_json(found)))
    else:
        output.write_long(release_words.differences(before, after, found), shared)
    return 0


def _create(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    words = " ".join(map(to_text, options.paths)) or (
        f"from {to_text(options.source)}" if options.source else "a copy of the blank"
    )
    if options.source is not None and not machine.is_subvolume(options.source):
        what = f"{to_text(options.source)} is no subvolume: --from takes its path from the top level"
        raise UsageError(what, "btrfs subvolume list /")
    edit = copies.bring(machine, volume, options.paths)
    done = change.change(
        config,
        machine,
        volume,
        Maker.CREATE,
        words,
        edit,
        source=options.source,
        dry_run=options.dry_run,
        progress=release_words.counted(shared),
    )
    if shared.json:
        output.write(printed(change_to_json(done)))
    else:
        output.write(release_words.changed(done, dry_run=options.dry_run))
    return 0


def _accounts(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    names = accounts.differing(machine, volume)
    if options.dry_run or not names:
        if shared.json:
            output.write(printed(accounts_to_json(names, None)))
        else:
            output.write(release_words.accounts(names, dry_run=options.dry_run))
        return 0
    words = "accounts: " + first_of(sorted({name for found in names.values() for name in found}), MOST)
    edit = accounts.bring(machine, volume)
    progress = release_words.counted(shared)
    done = change.change(config, machine, volume, Maker.KEEP, words, edit, progress=progress)
    if shared.json:
        output.write(printed(accounts_to_json(names, done)))
    else:
        output.write(release_words.accounts(names, dry_run=False))
        output.write(release_words.changed(done, dry_run=False))
    return 0


def _revert(options: Options, shared: Shared, config: Config, machine: Machine, volume: Volume) -> int:
    known = listing.read(machine, volume).of(options.numbers[0])
    if options.dry_run:
        _there(known)
        output.write(f"would make release {known.number} the blank of the next boot\n")
        return 0
    done = change.revert(config, machine, volume, options.numbers[0])
    if shared.json:
        output.write(printed(change_to_json(done)))
    else:
        output.write(release_words.changed(done, dry_run=False))
    return 0


_ACTIONS: dict[str, Action] = {
    "list": _list,
    "show": _show,
    "verify": _verify,
    "diff": _diff,
    "create": _create,
    "accounts": _accounts,
    "revert": _revert,
}


def _meant(releases: Releases, options: Options) -> Known:
    return releases.of(options.numbers[0]) if options.numbers else releases.current


def _pair(releases: Releases, numbers: tuple[int, ...]) -> tuple[Known, Known]:
    """Return the two releases to compare: by default the one before the blank, and the blank."""
    if len(numbers) == 2:
        return releases.of(numbers[0]), releases.of(numbers[1])
    return releases.of(numbers[0] if numbers else -1), releases.current


def _there(known: Known) -> Place:
    if known.place is None:
        raise UsageError(f"release {known.number} was deleted", "impermanence blank list")
    return known.place
