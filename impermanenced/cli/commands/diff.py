"""`diff`: every difference from the blank, whatever its verdict."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...text import to_text
from .. import arguments, output, paths, source
from ..source import Document
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    path: bytes | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("path", metavar="PATH", nargs="?", help="only this, and what is below")


def read_options(found: argparse.Namespace) -> Options:
    return Options(arguments.optional_path(found.path))


def run(options: Options, shared: Shared) -> int:
    whole, path = source.fetch(shared.config), options.path
    found = document(whole, None if path is None else paths.meant(whole, path, paths.directory(path)))
    if shared.json:
        output.write_json(found)
    else:
        output.write_long("".join(lines(found)), shared)
    return 0


verb = Verb(add_arguments, read_options, run)


def document(whole: Document, path: bytes | None) -> dict[str, Any]:
    """All entries at or below the path, with their letters."""
    entries = whole["entries"]
    if path is not None:
        at = to_text(path)
        below = at.rstrip("/") + "/"
        entries = [entry for entry in entries if entry["path"] == at or entry["path"].startswith(below)]
    return {
        **source.without(whole, "entries", "volumes"),
        "volumes": [source.without(volume, *source.WHOLE_VOLUME) for volume in whole["volumes"]],
        "entries": [source.without(entry, *source.WHOLE) for entry in entries],
    }


def lines(found: Document) -> Iterator[str]:
    """Of `document`, one a difference."""
    for entry in found["entries"]:
        yield f"{entry['letters']} {entry['path']}\n"
