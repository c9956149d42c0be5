"""`persisted`: the paths that are kept, for a backup."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ...document.declared import persisted_to_json
from ...document.fields import printed
from ...keep import kept
from ...text import to_text
from .. import output, source
from ..arguments import add_json
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    null: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument(
        "--null", action="store_true", help="end each path with a NUL byte, and write its exact bytes"
    )


def read_options(found: argparse.Namespace) -> Options:
    return Options(found.null)


def run(options: Options, shared: Shared) -> int:
    found = source.declarations(shared.config)
    paths = kept.paths(found)
    if shared.json:
        output.write(printed(persisted_to_json(paths, found)))
        return 0
    for one in found:
        if not one.kept:
            output.complain(f"not kept: {to_text(one.path)}: {one.words}", one.hint)
    if options.null:
        output.write_bytes(b"".join(path + b"\0" for path in paths))
    else:
        output.write("".join(f"{to_text(path)}\n" for path in paths))
    return 0


verb = Verb(add_arguments, read_options, run)
