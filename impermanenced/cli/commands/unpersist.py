"""`unpersist`: bring what `persist` has moved back into the volume."""

from __future__ import annotations

import argparse
from functools import partial

from ...config.placement import BIND
from ...keep.adopt import unpersist
from ...keep.plan import source_of
from ...text import to_text
from .. import adopting
from ..adopting import Options
from ..verb import Shared, Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    adopting.add_arguments(parser, "what persist has declared")


def run(options: Options, shared: Shared) -> int:
    with adopting.session(shared) as session:
        session.recover()
        ground = session.ground
        known = {one.path for one in ground.config.declarations}.__contains__
        named = session.paths(options, known)
        for path in named:
            placement, file = unpersist.declaring(ground, path)
            last = f", unmount {to_text(path)}" if placement.method == BIND else ""
            session.say(f"  copy {to_text(source_of(placement))} back, remove {to_text(file)}{last}")
        acts = [partial(unpersist.begin, ground, session.book, path, options.stop) for path in named]
        return session.carry_out(options, acts)


verb = Verb(add_arguments, adopting.read_options, run)
