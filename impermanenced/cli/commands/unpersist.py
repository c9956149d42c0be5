"""`unpersist`: bring what `persist` has moved back into the volume."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from ...keep.adopt import unpersist
from ...text import to_text
from .. import adopting, arguments, paths
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[bytes, ...]
    stop: tuple[str, ...] = ()
    dry_run: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    arguments.add_dry_run(parser)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="what persist has declared")
    arguments.add_stop(parser)
    arguments.add_yes(parser)


def read_options(found: argparse.Namespace) -> Options:
    named = tuple(arguments.path(one) for one in found.paths)
    return Options(named, arguments.units(found.stop), found.dry_run, found.yes)


def run(options: Options, shared: Shared) -> int:
    cwd = b"/" if all(path.startswith(b"/") for path in options.paths) else os.getcwdb()
    with adopting.session(shared) as session:
        session.recover()
        ground = session.ground
        known = {one.path for one in ground.config.declarations}.__contains__
        named = [paths.likely(ground.machine, path, cwd, known) for path in options.paths]
        for path in named:
            persist, file, _ = unpersist.declaring(ground, path)
            where = to_text(persist.rstrip(b"/") + path)
            session.say(f"  copy {where} back, remove {to_text(file)}, unmount {to_text(path)}")
        if options.dry_run:
            session.finish(dry_run=True)
            return 0
        if not adopting.agreed(shared, yes=options.yes):
            session.say("nothing was changed")
            return 0
        for path in named:
            job, notes = unpersist.begin(ground, session.book, path, options.stop)
            session.note(job, notes)
            session.say(adopting.undo_words(job))
        session.finish()
    return 0


verb = Verb(add_arguments, read_options, run)
