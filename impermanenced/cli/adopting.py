"""The common part of `persist`, `unpersist`, `undo` and `ignore`: the system, progress, and what is said."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..boots.records.job import Action, Job, Step
from ..config.load import DEFAULT, DROP_INS, Config, load
from ..document.adopt import Done, jobs_to_json
from ..document.fields import printed
from ..errors import Cancelled, ImpermanenceError, NotSetUp, UsageError
from ..keep import apply
from ..keep.adopt import run
from ..keep.adopt.book import Book
from ..keep.adopt.ground import Ground
from ..keep.adopt.persist import Outlook
from ..report.suggest import Suggestion, System, Wanted, declaration_of
from ..system.services import Services
from ..text import to_text
from ..volumes.configured import configured
from ..volumes.machine import Machine, system_root
from . import arguments, asking, output, paths, progress
from .formats import toml
from .formats.writing import Task
from .steps import StepShown
from .stopping import Stop
from .verb import Shared

T = TypeVar("T")
JobDone = tuple[Job, list[str]]  # a job, and what a person has to know


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a verb that adopts paths, or gives them back."""

    paths: tuple[bytes, ...]
    stop: tuple[str, ...] = ()
    dry_run: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare the arguments of such a verb; `what` says what its paths are."""
    arguments.add_json(parser)
    arguments.add_dry_run(parser)
    parser.add_argument("paths", metavar="PATH", nargs="+", help=what)
    arguments.add_stop(parser)
    arguments.add_yes(parser)


def read_options(found: argparse.Namespace) -> Options:
    """Return these options.  Raises UsageError."""
    named = tuple(arguments.path(one) for one in found.paths)
    return Options(named, arguments.units(found.stop), found.dry_run, found.yes)


class Session:
    """The system that is worked on, and what was said so far."""

    def __init__(self, ground: Ground, book: Book, shared: Shared, stop: Stop) -> None:
        self.ground = ground
        self.book = book
        self.shared = shared
        self._stop = stop
        self.recovered: list[Done] = []
        self.done: list[Done] = []

    def recover(self) -> None:
        """Finish or undo what was cut, and say so."""
        with self._stop.at_work():
            self.recovered = list(run.recover(self.ground, self.book))
        for job, notes in self.recovered:
            became = "was undone" if job.step is Step.UNDONE else "was finished"
            output.complain(f"{job.action} {run.shown(job)}, which had been cut, {became}")
            _complain(notes)

    def paths(self, options: Options, known: Callable[[bytes], bool]) -> list[bytes]:
        """Return the paths that were probably meant, each once."""
        cwd = b"/" if all(path.startswith(b"/") for path in options.paths) else os.getcwdb()
        return list(
            dict.fromkeys(paths.likely(self.ground.machine, one, cwd, known) for one in options.paths)
        )

    def carry_out(
        self, options: Options, acts: Sequence[Callable[[], JobDone]], outlooks: Sequence[Outlook] = ()
    ) -> int:
        """Do what was shown, if whoever sits at a terminal agrees; return the exit code."""
        if options.dry_run:
            self.finish(outlooks, dry_run=True)
            return 0
        if not agreed(self.shared, yes=options.yes):
            self.say("nothing was changed")
            return 0
        for act in acts:
            job, notes = self.do(act)
            self.note(job, notes)
            self.say(undo_words(job))
        self.finish()
        return 0

    def do(self, act: Callable[[], T]) -> T:
        """Do something that a signal can stop only where it can be undone."""
        with self._stop.at_work():
            return act()

    def note(self, job: Job, notes: Sequence[str]) -> None:
        """Say what a person has to know of a job that is done."""
        self.done.append((job, notes))
        _complain(notes)

    def finish(self, outlooks: Sequence[Outlook] = (), *, dry_run: bool = False) -> None:
        """Remove what has been in the trash for long, and print the document."""
        if not dry_run:
            self.do(lambda: run.expire(self.ground, self.book))
            self.do(self._release)
        if self.shared.json:
            document = jobs_to_json(self.done, self.recovered, outlooks, dry_run=dry_run)
            output.write(printed(document))

    def _release(self) -> None:
        """Bring into the blank what a boot without the hook needs of all that was declared."""
        machine = self.ground.machine
        config = load(None)
        applied = apply.run(config, machine, dry_run=True)
        done = apply.release(config, machine, replace(applied, steps=(), left=()))
        _complain([f"{one.words}; {one.hint}" for one in done.left])
        for step in done.steps:
            self.say(f"done: {step.words}")

    def say(self, text: str) -> None:
        """Write a line for a person."""
        if not self.shared.json:
            output.write_now(f"{text}\n")


@contextlib.contextmanager
def session(shared: Shared) -> Iterator[Session]:
    """Open the running system for a command that adopts.

    Raises UsageError with --config: a drop-in would not be read then.
    """
    if shared.config is not None:
        raise UsageError(
            "what is declared is written to a drop-in, and --config FILE reads none",
            f"without --config it is {to_text(DEFAULT)} with its drop-ins",
        )
    told = StepShown()
    with (
        configured() as (config, machine),
        Stop(idle=True) as stop,
        progress.shown(told.words),
        Book(machine) as book,
    ):
        ground = _ground(config, machine, told, stop)
        try:
            yield Session(ground, book, shared, stop)
        except Cancelled as error:
            if stop.signal:
                raise _Stopped(stop.signal, error) from error
            raise


class _Stopped(ImpermanenceError):
    """An end by a signal; the exit code is that of a process that the signal has ended."""

    def __init__(self, signal: int, error: ImpermanenceError) -> None:
        super().__init__(f"{error.message}; what had been begun was undone", error.hint)
        self.exit_code = 128 + signal


def _ground(config: Config, machine: Machine, told: StepShown, stop: Stop) -> Ground:
    root = system_root(machine.volumes)
    if root != b"/":
        raise NotSetUp("the volumes are not those of the running system", "run the command in that system")
    return Ground(
        root=root,
        config=config,
        machine=machine,
        drop_ins=os.path.join(os.path.dirname(DEFAULT), DROP_INS),
        services=Services(),
        check=functools.partial(_compile, machine, dry_run=True),
        compile=functools.partial(_compile, machine, dry_run=False),
        told=told,
        cancelled=stop.event.is_set,
    )


def _compile(machine: Machine, *, dry_run: bool) -> None:
    """Have the next boot do what is declared by now.  Raises ImpermanenceError if it cannot."""
    applied = apply.run(load(None), machine, dry_run=dry_run)
    for one in applied.left:
        if one.failed:
            raise ImpermanenceError(one.words, one.hint or "impermanence apply")


def agreed(shared: Shared, *, yes: bool) -> bool:
    """Return whether to go on: who sits at a terminal is asked; elsewhere the command is answer enough, since
    it can be undone.
    """
    asked = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return yes or shared.json or not asked or asking.agreed("Go on?", "--yes")


def volume(config: Config, asked: bytes | None) -> bytes:
    """Return the persist volume.  Raises UsageError if none is configured, and none was asked for."""
    if asked is not None:
        return asked
    if not config.persist:
        raise UsageError("no persist volume is configured", "name one: --to /persist")
    return config.persist[0]


def text_of(config: Config, machine: Machine, path: bytes, persist: bytes, method: str) -> bytes:
    """Return the drop-in that declares a path, or b"" if it is declared already."""
    if any(one.path == path for one in config.declarations):
        return b""
    locate = functools.partial(paths.location, machine)
    with System(locate, native=True) as system:
        return drop_in(replace(declaration_of(path, persist, system), method=method), system)


def drop_in(wanted: Wanted, system: System) -> bytes:
    """Return the drop-in with one declaration.  Raises UsageError if it cannot be written."""
    task = Task(Suggestion((wanted,), (), (), 0, 0), (wanted,), {}, system)
    written = toml.write(task)
    for one, why in written.refused:
        raise UsageError(
            f"{to_text(one.path)} cannot be declared: {why}", "name the directory that it lies in"
        )
    head = "# Written by impermanence persist.  impermanence unpersist removes it."
    return "\n".join([head, *written.lines, ""]).encode()


def undo_words(job: Job) -> str:
    """Return what a job has come to, and how to take it back."""
    path = run.shown(job)
    became = {
        Action.PERSIST: f"{path} is kept, in {to_text(job.source)}",
        Action.UNPERSIST: f"{path} is no longer kept: the next wipe takes it away",
        Action.IGNORE: f"declared in {path}",
    }[job.action]
    return f"{became}; undo: impermanence undo {job.number}"


def redo_words(before: Job, job: Job) -> str:
    """Return what is so again, and how to do it once more."""
    path = run.shown(before)
    if before.action is Action.IGNORE:
        return "it is reported again"
    again = "unpersist" if before.action is Action.UNPERSIST else "persist"
    where = f"{to_text(job.path)} is kept again" if again == "unpersist" else "it lies in the volume again"
    return f"{where}; once more: impermanence {again} {path}"


def _complain(notes: Sequence[str]) -> None:
    for note in notes:
        output.complain(note)
