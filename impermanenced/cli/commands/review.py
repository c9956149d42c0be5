"""`review`: go through what would be lost, or was, and decide on each."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ...boots import compared
from ...boots.moments import find, opened
from ...errors import ImpermanenceError, UsageError
from ...kernel import openat2
from ...lazy import Deferred
from ...model import LOSSES, Change, Entry, Volume
from ...report import past
from ...volumes.configured import configured
from .. import arguments, main, output, source, wording
from ..review.plan import Review, items, shown
from ..verb import Shared, Verb

_app = Deferred("impermanenced.cli.review.app")
_BROUGHT_BACK = (Change.DELETED, Change.METADATA)


@dataclass(frozen=True, slots=True)
class Options:
    moment: str | None = None  # the boot whose losses are reviewed; None: what would be lost now


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_moments(parser, "what this boot lost; default: what would be lost now")


def read_options(found: argparse.Namespace) -> Options:
    return Options(None if found.boot is None else arguments.moment(found.boot))


def run(options: Options, shared: Shared) -> int:
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        raise UsageError("review needs a terminal", "impermanence status and diff write to a file")
    if importlib.util.find_spec("textual") is None:
        raise ImpermanenceError("review needs textual, which is not installed", "pip install 'textual>=1'")
    with _of_now(shared) if options.moment is None else _of_boot(options.moment, shared) as review:
        if not review.items:
            output.write(f"{review.title}\n")
            return 0
        commands = _app.ReviewApp(review).run()
    return max((_carry_out(command, shared) for command in commands or ()), default=0)


verb = Verb(add_arguments, read_options, run)


def _carry_out(command: list[str], shared: Shared) -> int:
    """Run one command of the plan, and return its exit code."""
    output.write_now(f"$ {shown(command)}\n")
    config = [] if shared.config is None else ["--config", os.fsdecode(shared.config)]
    return main.main([*config, "--no-pager", *command])


@contextlib.contextmanager
def _of_now(shared: Shared) -> Iterator[Review]:
    report = source.fetch(shared.config)
    losses = [entry for entry in report.entries if entry.verdict in LOSSES]
    volume = report.volumes[0]
    root = os.open(volume.mountpoint, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        count = wording.plural(len(losses), "path") if losses else "nothing"
        yield _review(f"{count} would be lost at the next boot", losses, root, volume)
    finally:
        os.close(root)


@contextlib.contextmanager
def _of_boot(word: str, shared: Shared) -> Iterator[Review]:
    with configured(shared.config) as (config, machine):
        history = compared.history_of(config, machine)
        moment = find(word, history, machine)
        boot = moment.boot
        if boot is None or history is None or not any(root.old for root in moment.roots.values()):
            raise UsageError(f"{moment.name} is no boot with an old root", "a number of impermanence boots")
        losses: list[Entry] = []
        for volume in machine.volumes:
            if volume.name in moment.roots:
                found = past.lost(config, machine, history, volume, boot, moment.roots[volume.name])
                losses += found.losses
        first = next(volume for volume in machine.volumes if volume.name in moment.roots)
        with opened(moment.roots[first.name], machine) as fd:
            root = openat2.open_directory(fd, b"/")
            try:
                count = wording.plural(len(losses), "path")
                yield _review(f"{moment.name} lost {count}", losses, root, first, boot.number)
            finally:
                os.close(root)


def _review(title: str, losses: list[Entry], root: int, volume: Volume, boot: int | None = None) -> Review:
    return Review(title, items(losses), root, len(volume.path.rstrip(b"/")), boot)
