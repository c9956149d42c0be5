"""`declare`: the declared files as they are, what was changed by hand, and the change taken back."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ...config.load import Config, load
from ...document.fields import printed
from ...document.given import given_to_json
from ...errors import ImpermanenceError, UsageError
from ...keep import given
from ...keep.given import Condition
from ...text import to_text
from .. import arguments, output, paths, wording
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    update: bytes | None = None
    diff: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("--diff", action="store_true", help="show what was changed by hand")
    parser.add_argument("--update", metavar="PATH", help="take the change of this file back into its source")


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.optional_path(found.update), found.diff)


def run(options: Options, shared: Shared) -> int:
    config = load(shared.config)
    with _root(config) as root:
        if options.update is not None:
            return _update(config, paths.absolute(options.update, paths.directory(options.update)), root)
        found = given.examine(config.given, root)
        if shared.json:
            output.write(printed(given_to_json(found)))
            return 0
        lines = []
        for one in found:
            lines.append(f"{to_text(one.given.path)}  {one.condition}: {one.words}")
            if options.diff and one.condition is Condition.CHANGED:
                lines += [f"  {line}" for line in given.changes(one.given, root)]
    changed = sum(one.condition is Condition.CHANGED for one in found)
    head = wording.plural(len(found), "declared file") if found else "no file is declared"
    head += f", {changed} changed by hand." if changed else "."
    tail = ["", "Take a change back:  impermanence declare --update PATH"] if changed else []
    output.write_long("".join(f"{line}\n" for line in (head, *lines, *tail)), shared)
    return 0


verb = Verb(add_arguments, read_options, run)


@contextlib.contextmanager
def _root(config: Config) -> Iterator[int]:
    """Open the "/" of the system that the configuration is about."""
    place = next((one.mountpoint for one in config.volumes if (one.path or one.mountpoint) == b"/"), b"/")
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _update(config: Config, path: bytes, root: int) -> int:
    one = next((one for one in config.given if one.path == path), None)
    if one is None:
        raise UsageError(f"{to_text(path)} is no declared file", "impermanence declare lists them")
    (found,) = given.examine([one], root)
    if found.condition is not Condition.CHANGED:
        raise ImpermanenceError(f"{to_text(path)} was not changed: {found.words}")
    given.update(one, root)
    output.write(f"{to_text(one.source)} is as {to_text(path)} now\n")
    return 0
