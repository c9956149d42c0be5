"""`undo`: take back what `persist`, `unpersist` or `ignore` has done."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from functools import partial

from ...errors import UsageError
from ...keep.adopt import run as jobs
from ...lazy import regex
from .. import adopting, arguments, wording
from ..verb import Shared, Verb

_NUMBER = regex(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Options:
    number: int | None = None  # of the job; None: the last one
    list: bool = False
    stop: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("number", metavar="N", nargs="?", help="the number of the job; default: the last one")
    parser.add_argument("--list", action="store_true", help="list the jobs, and change nothing")
    arguments.add_stop(parser)


def read_options(found: argparse.Namespace) -> Options:
    if found.number is not None and not _NUMBER.fullmatch(found.number):
        raise UsageError(f"{found.number} is not the number of a job", "impermanence undo --list")
    number = None if found.number is None else int(found.number)
    return Options(number, found.list, arguments.units(found.stop))


def run(options: Options, shared: Shared) -> int:
    with adopting.session(shared) as session:
        session.recover()
        if options.list:
            now = time.time()
            for job in session.book.jobs():
                session.note(job, [])
                age = wording.age(float(job.time), now)
                session.say(f"{job.number:5}  {job.action:9}  {job.step:7}  {age:>12}  {jobs.shown(job)}")
            session.finish(dry_run=True)
            return 0
        before, job, notes = session.do(
            partial(jobs.undo, session.ground, session.book, options.number, options.stop)
        )
        session.note(job, notes)
        session.say(f"taken back: {before.action} {jobs.shown(before)}; {adopting.redo_words(before, job)}")
        session.finish()
    return 0


verb = Verb(add_arguments, read_options, run)
