"""`diff`: every difference from the blank, whatever its verdict."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from ...document.fields import printed
from ...document.status import diff_to_json
from ...model import Report
from ...paths import within
from ...text import to_text
from .. import arguments, next_boot, output, paths, source
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    path: bytes | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("path", metavar="PATH", nargs="?", help="show only this path, and what is below it")


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.optional_path(found.path))


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    report, path = source.fetch(shared.config), options.path
    if path is not None:
        report = below(report, paths.meant(report, path, paths.directory(path)))
    if shared.json:
        output.write(printed(diff_to_json(report)))
    else:
        output.write_long("".join(lines(report)), shared)
    return 0


verb = Verb(add_arguments, read_options, run)


def below(report: Report, path: bytes) -> Report:
    """Return the report with only the entries at the path and below it."""
    entries = tuple(entry for entry in report.entries if within(entry.difference.path, path))
    return dataclasses.replace(report, entries=entries)


def lines(report: Report) -> Iterator[str]:
    """Yield a line for each difference."""
    for entry in report.entries:
        yield f"{entry.difference.letters} {to_text(entry.difference.path)}\n"
