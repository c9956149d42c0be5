"""`import`: an evaluated NixOS configuration, or what is bind-mounted here, as declarations of ours."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from ...config.load import DEFAULT, DROP_INS, load
from ...config.nix import Evaluated, sorted_by_path
from ...config.overlaps import merged
from ...config.placement import Ownership, Placement
from ...config.values import Where
from ...document import fields
from ...errors import ConfigError, UsageError
from ...keep import mounted
from ...kernel import mounts
from ...report.suggest import Suggestion, System, Wanted
from ...system import atomic
from ...text import to_text
from .. import arguments, output, wording
from ..formats import toml
from ..formats.writing import Task
from ..verb import Shared, Verb

FILE = b"40-imported.toml"
LARGEST = 16 << 20  # bytes of a document


@dataclass(frozen=True, slots=True)
class Options:
    file: bytes | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to import, and what of it cannot be."""

    placements: tuple[Placement, ...]
    left_out: tuple[str, ...] = ()  # in words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_dry_run(parser, "print the declarations, and write no file")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="JSON of nix eval; default: the bind mounts of this machine"
    )


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.optional_path(found.file), found.dry_run)


def run(options: Options, shared: Shared) -> int:
    if shared.config is not None and not options.dry_run:
        hint = "--dry-run prints what can be put there"
        raise UsageError("it writes a drop-in of the default configuration, and --config names another", hint)
    found = of_machine() if options.file is None else of_file(options.file)
    known = load(shared.config).placements
    fresh = [one for one in found.placements if not _is_there(one, known)]
    # Any contradiction is said before a file is written.
    merged([(one, Where(one.declaration.source)) for one in (*known, *fresh)])
    written = text(fresh, found.left_out)
    if options.dry_run:
        output.write(written)
        return 0
    for words in found.left_out:
        output.complain(f"left out: {words}")
    if not fresh:
        output.write("nothing to import: everything is declared already\n")
        return 0
    place = os.path.join(os.path.dirname(DEFAULT), DROP_INS, FILE)
    if os.path.lexists(place):
        raise ConfigError(f"{to_text(place)} is there already", "rename it, and import again")
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    atomic.replace(place, written.encode(), mode=0o644)
    what = wording.plural(len(fresh), "declaration")
    output.write(f"{what} in {to_text(place)}; what makes them so:  impermanence apply\n")
    return 0


verb = Verb(add_arguments, read_options, run)


def of_file(file: bytes) -> Found:
    """Return what an evaluated configuration declares.  Raises ConfigError, UsageError and OSError."""
    name = to_text(file)
    try:
        with open(file, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file", "impermanence import FILE") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{name}: larger than {LARGEST >> 20} MiB", "is it the right file?")
    try:
        document = fields.parsed(content)
    except ValueError as error:
        raise ConfigError(f"{name}: no JSON: {to_text(str(error).encode())}", "nix eval --json") from None
    evaluated = Evaluated(document, name)
    return Found(evaluated.placements, tuple(f"{one} means nothing here" for one in evaluated.left_out))


def of_machine() -> Found:
    """Return what this machine mounts from persist volumes, now or by fstab(5)."""
    placements: list[Placement] = []
    left_out: list[str] = []
    for one in mounted.find(b"/", mounts.read()):
        if (placement := mounted.placement_of(one, b"/")) is not None:
            placements.append(placement)
        else:
            why = "no directory of it has the path of the mount"
            left_out.append(f"{to_text(one.source)} on {to_text(one.path)} ({one.by}): {why}")
    return Found(tuple(placements), tuple(left_out))


def _is_there(one: Placement, known: Sequence[Placement]) -> bool:
    def place(one: Placement) -> tuple[bytes, bytes, bool]:
        return one.declaration.path, one.declaration.persist, one.declaration.directory

    return any(place(one) == place(other) for other in known)


def text(placements: Sequence[Placement], left_out: Sequence[str]) -> str:
    """Return the declarations in the language of the configuration, with what it cannot say as comments."""
    wanted = tuple(_wanted(one) for one in sorted_by_path(placements))
    with System(lambda path: path, native=False) as system:
        written = toml.write(Task(Suggestion(wanted, (), (), 0, 0), wanted, {}, system))
    refused = [f"{to_text(one.path)}: {why}" for one, why in written.refused]
    lines = ["# Made by impermanence import.", *(f"# left out: {words}" for words in (*left_out, *refused))]
    return "".join(f"{line}\n" for line in (*lines, *written.lines))


def _wanted(one: Placement) -> Wanted:
    declaration = one.declaration
    return Wanted(
        declaration.path,
        declaration.directory,
        declaration.persist,
        one.user,
        one.home,
        _own(one.own, one.user),
        _own(one.parent, one.user),
        one.method,
        one.hide,
        one.details._replace(default=Ownership()),
        declared=True,
    )


def _own(own: Ownership, user: str | None) -> Ownership:
    """Return an ownership without what the table of a user says already."""
    return own._replace(user=None) if own.user is not None and own.user == user else own
