"""`history`: the life of one path over all boots that are still there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from ...boots import compared
from ...boots.history import History
from ...boots.sightings import Sighting, sightings
from ...document.fields import printed
from ...document.sightings import sightings_to_json
from ...errors import ImpermanenceError, UsageError
from ...lazy import NamedTuple
from ...model import FileType, Volume
from ...paths import within
from ...text import size_to_text, to_text
from ...volumes.configured import configured
from ...volumes.machine import Machine
from .. import arguments, output, paths, wording
from ..verb import Shared, Verb

_INDENT = " " * 6


class Options(NamedTuple):
    path: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("path", metavar="PATH", help="the path whose life is shown")


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.path(found.path))


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        history = compared.history_of(config, machine)
        found = _find(history, machine, options.path)
    if shared.json:
        document = sightings_to_json(found.path, found.volume.name, found.sightings, found.fault)
        output.write(printed(document))
    else:
        said = lines(found, output.style(shared), output.columns(), time.time())
        output.write_long("".join(f"{line}\n" for line in said), shared)
    return 0


verb = Verb(add_arguments, read_options, run)


class Found(NamedTuple):
    """The life of a path."""

    path: bytes
    volume: Volume
    sightings: Sequence[Sighting]
    fault: str | None  # why the writers are not known


def _find(history: History | None, machine: Machine, argument: bytes) -> Found:
    """Return the life of the likeliest path that the argument means.  Raises ImpermanenceError if none of
    them was ever there, and UsageError if none lies in a volume.
    """
    inside = False
    for path in dict.fromkeys(paths.candidates(machine, argument, paths.directory(argument))):
        volumes = [volume for volume in machine.volumes if within(path, volume.path)]
        if not volumes:
            continue
        inside = True
        volume = max(volumes, key=lambda one: len(one.path))
        seen, fault = sightings(history, machine, volume, path)
        if any(one.thing is not None for one in seen):
            return Found(path, volume, seen, fault)
    shown = to_text(argument)
    if not inside:
        raise UsageError(f"{shown} is in no volume", "history tells of what is rolled back")
    raise ImpermanenceError(
        f"{shown}: neither the blank, nor an old root, nor the running root has it",
        "impermanence boots lists the old roots that are left",
    )


# Words


def lines(found: Found, style: output.Style, columns: int, now: float) -> Iterator[str]:
    """Yield the answer, and a line for each moment, the newest first."""
    yield style.bold(_answer(found.path, found.sightings))
    yield ""
    rows = [_row(one, now) for one in found.sightings]
    widths = [max(wording.width(row[column]) for row in rows) for column in range(4)]
    for one, row in zip(found.sightings, rows, strict=True):
        cells = [wording.pad(cell, widths[index]) for index, cell in enumerate(row[:4])]
        yield wording.cut("  " + "  ".join([*cells, row[4]]).rstrip(), columns)
        if one.fault is not None:
            yield from wording.wrap(one.fault, columns, _INDENT, _INDENT)
    if found.fault is not None:
        yield ""
        yield f"  writers of earlier boots are not known: {found.fault}"


def _answer(path: bytes, seen: Sequence[Sighting]) -> str:
    there = [one for one in seen if one.thing is not None]
    contents = 1 + sum(one.changed is True for one in there)
    moments = wording.plural(len(seen), "moment")
    return f"{to_text(path)}: at {len(there):,} of {moments}, {wording.plural(contents, 'content')}"


def _row(one: Sighting, now: float) -> tuple[str, str, str, str, str]:
    boot = one.moment.boot
    when = wording.when(boot.time if boot is not None else None, now)
    if one.fault is not None:
        return one.moment.name, when, "?", "", ""
    if one.thing is None:
        return one.moment.name, when, "-", "", ""
    thing = one.thing
    size = size_to_text(thing.size) if thing.type is FileType.FILE else thing.type.value
    state = "as the blank" if one.as_blank and boot is not None else ""
    state = state or ("" if one.changed is None else "changed" if one.changed else "same content")
    return one.moment.name, when, size, state, wording.writer(one.writer)
