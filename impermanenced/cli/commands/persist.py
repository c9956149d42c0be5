"""`persist`: keep what a path holds, from now on and while programs run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import ImpermanenceError
from ...keep.adopt import persist
from ...keep.adopt.persist import Request
from ...paths import within
from ...text import to_text
from .. import adopting, arguments, paths, remedies, source
from ..adopting import Session
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[bytes, ...]
    to: bytes | None = None
    stop: tuple[str, ...] = ()
    dry_run: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    arguments.add_dry_run(parser)
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a directory, or a file")
    parser.add_argument("--to", metavar="VOLUME", help="the persist volume, such as /persist")
    arguments.add_stop(parser)
    arguments.add_yes(parser)


def read_options(found: argparse.Namespace) -> Options:
    to = None if found.to is None else paths.persist_volume(arguments.path(found.to), "--to")
    named = tuple(arguments.path(one) for one in found.paths)
    return Options(named, to, arguments.units(found.stop), found.dry_run, found.yes)


def run(options: Options, shared: Shared) -> int:
    cwd = b"/" if all(path.startswith(b"/") for path in options.paths) else os.getcwdb()
    with adopting.session(shared) as session:
        session.recover()
        wanted = list(_requests(session, options, cwd))
        _refuse_writers(session, wanted)
        outlooks = [persist.look(session.ground, request) for request in wanted]
        for outlook in outlooks:
            session.say("\n".join(f"  {line}" for line in persist.words(outlook)))
        if options.dry_run:
            session.finish(outlooks, dry_run=True)
            return 0
        if not adopting.agreed(shared, yes=options.yes):
            session.say("nothing was changed")
            return 0
        for request in wanted:
            job, notes = persist.begin(session.ground, session.book, request)
            session.note(job, notes)
            session.say(adopting.undo_words(job))
        session.finish()
    return 0


verb = Verb(add_arguments, read_options, run)


def _requests(session: Session, options: Options, cwd: bytes) -> Iterator[Request]:
    """Yield what is adopted, the directory of the declarations first if it goes with a wipe."""
    ground = session.ground
    volume = adopting.volume(ground.config, options.to)
    named = [paths.likely(ground.machine, path, cwd, lambda _: False) for path in options.paths]
    for path in dict.fromkeys([*_declarations(session), *named]):
        text = adopting.text_of(ground.config, ground.machine, path, volume)
        declared = [one.persist for one in ground.config.declarations if one.path == path]
        yield Request(path, options.to or (declared or [volume])[0], text, options.stop)


def _declarations(session: Session) -> list[bytes]:
    """Return the directory of the drop-ins, if the next wipe would take it away."""
    ground = session.ground
    os.makedirs(ground.drop_ins, mode=0o755, exist_ok=True)
    device = os.stat(ground.drop_ins).st_dev
    lost = any(os.stat(one.mountpoint).st_dev == device for one in ground.machine.volumes)
    declared = any(within(ground.drop_ins, one.path) for one in ground.config.declarations if one.directory)
    return [ground.drop_ins] if lost and not declared else []


def _refuse_writers(session: Session, wanted: Sequence[Request]) -> None:
    """Raise ImpermanenceError for a unit that runs, and was seen writing there, unless it is stopped."""
    report = source.fetch(None)
    for request in wanted:
        units = remedies.writing_units(report, request.path)
        for unit in session.ground.services.running(tuple(sorted(units.keys() - set(request.stop)))):
            raise ImpermanenceError(
                f"{unit} runs, and has written {to_text(units[unit])}; nothing was changed",
                f"impermanence persist --stop {unit} {to_text(request.path)}",
            )
