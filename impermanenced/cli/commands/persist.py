"""`persist`: keep what a path holds, from now on and while programs run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ...config.placement import AUTO, BIND, SYMLINK, SYNC
from ...errors import UsageError
from ...keep.adopt import checks, persist
from ...keep.adopt.persist import Request
from ...paths import within
from ...text import to_text
from .. import adopting, arguments, paths, source
from ..adopting import Session
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    common: adopting.Options
    to: bytes | None = None
    method: str | None = None  # None: as it is declared, or else BIND
    replace: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    adopting.add_arguments(parser, "a directory, or a file")
    parser.add_argument("--to", metavar="VOLUME", help="the persist volume, such as /persist")
    parser.add_argument(
        "--method",
        choices=(BIND, SYMLINK, SYNC, AUTO),
        help="how the path gets to its data: mounted (bind, and auto here), by a link, or copied back after "
        "each change (sync, for a file that programs replace)",
    )
    parser.add_argument(
        "--replace", action="store_true", help="copy what is mounted at a directory, and take its place"
    )


def read_options(found: argparse.Namespace) -> Options:
    to = None if found.to is None else paths.persist_volume(arguments.path(found.to), "--to")
    return Options(adopting.read_options(found), to, found.method, found.replace)


def run(options: Options, shared: Shared) -> int:
    with adopting.session(shared) as session:
        session.recover()
        wanted = list(_requests(session, options))
        report = source.fetch(None)
        for request in wanted:
            checks.refuse_writers(report, request.path, request.stop, session.ground.services)
        outlooks = [persist.look(session.ground, request) for request in wanted]
        for outlook in outlooks:
            session.say("\n".join(f"  {line}" for line in persist.words(outlook)))
        acts = [partial(persist.begin, session.ground, session.book, request) for request in wanted]
        return session.carry_out(options.common, acts, outlooks)


verb = Verb(add_arguments, read_options, run)


def _requests(session: Session, options: Options) -> Iterator[Request]:
    """Yield what is adopted, the directory of the declarations first if it goes with a wipe."""
    ground = session.ground
    volume = adopting.volume(ground.config, options.to)
    declared = {one.declaration.path: one for one in ground.config.placements}
    for path in _declarations(session):
        text = adopting.text_of(ground.config, ground.machine, path, volume, BIND)
        yield Request(path, volume, text, options.common.stop)
    for path in session.paths(options.common, lambda _: False):
        method, persist = options.method or BIND, volume
        if (one := declared.get(path)) is not None:
            if options.method not in (None, one.method):
                raise UsageError(
                    f"{to_text(path)} is declared with the method {one.method}, in {one.declaration.source}",
                    "change it there, or leave out --method",
                )
            method, persist = one.method, one.declaration.persist
        text = adopting.text_of(ground.config, ground.machine, path, volume, method)
        # What is declared with AUTO is mounted, for its source will be there.
        way = BIND if method == AUTO else method
        yield Request(
            path, options.to or persist, text, options.common.stop, method=way, replaces=options.replace
        )


def _declarations(session: Session) -> list[bytes]:
    """Return the directory of the drop-ins, if the next wipe would take it away."""
    ground = session.ground
    os.makedirs(ground.drop_ins, mode=0o755, exist_ok=True)
    device = os.stat(ground.drop_ins).st_dev
    lost = any(os.stat(one.mountpoint).st_dev == device for one in ground.machine.volumes)
    declared = any(within(ground.drop_ins, one.path) for one in ground.config.declarations if one.directory)
    return [ground.drop_ins] if lost and not declared else []
