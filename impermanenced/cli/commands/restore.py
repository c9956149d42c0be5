"""`restore`: put back what an earlier boot, or the blank, has at a path."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
from collections.abc import Iterator, Sequence

from ...boots import compared, restore
from ...boots.moments import Moment, Word, find, opened
from ...boots.restore import Restored, Source, Target
from ...copying import Progress
from ...document.fields import printed
from ...document.restore import restored_to_json
from ...errors import Cancelled, ImpermanenceError, UsageError
from ...kernel import openat2
from ...lazy import NamedTuple
from ...model import Volume
from ...paths import within
from ...text import failure_to_text, size_to_text, to_text
from ...volumes.configured import configured
from ...volumes.machine import Machine
from .. import arguments, output, paths, progress, wording
from ..stopping import Stop
from ..verb import Shared, Verb

MOST_LOST = 5  # things that are named


class Options(NamedTuple):
    paths: tuple[bytes, ...]
    moment: str
    to: bytes | None = None
    keep: bool = False
    force: bool = False
    dry_run: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    arguments.add_dry_run(parser)
    arguments.add_moments(parser, "take it from what this boot left; default: -1, the previous one")
    parser.add_argument("--blank", action="store_true", help="take it from the blank")
    parser.add_argument("--to", metavar="DIR", help="restore into this directory")
    parser.add_argument("--keep", action="store_true", help="give what is there a numbered name")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("paths", metavar="PATH", nargs="*", help="what to restore")


def read_options(found: argparse.Namespace) -> Options:
    if found.blank and found.boot is not None:
        raise UsageError("--blank and -b", "one of them")
    if found.keep and found.force:
        raise UsageError("--keep and --force", "one of them")
    if not found.paths:
        raise UsageError("restore what?", "impermanence restore [-b N] PATH")
    moment = Word.BLANK.value if found.blank else arguments.moment(found.boot or "-1")
    return Options(
        tuple(map(arguments.path, found.paths)),
        moment,
        arguments.optional_path(found.to),
        found.keep,
        found.force,
        found.dry_run,
    )


def run(options: Options, shared: Shared) -> int:
    with configured(shared.config) as (config, machine), contextlib.ExitStack() as stack:
        moment = find(options.moment, compared.history_of(config, machine), machine)
        machine.sync()
        held = Held(machine, moment, options.to, stack)
        tasks = [_task(held, argument) for argument in options.paths]
        _check(tasks, options)
        if options.dry_run:
            done = []
            said = [f"would restore {_words(task, moment)}" for task in tasks]
        else:
            stop = stack.enter_context(Stop())
            try:
                done = [_restore(task, options, stop) for task in tasks]
            except Cancelled as error:
                output.complain(error.message, error.hint)
                return 128 + stop.signal
            said = [line for task, one in zip(tasks, done, strict=True) for line in _said(task, one, moment)]
    if shared.json:
        output.write(printed(restored_to_json(moment, done, dry_run=options.dry_run)))
    else:
        output.write("".join(f"{line}\n" for line in said))
    return 0


verb = Verb(add_arguments, read_options, run)


class Task(NamedTuple):
    """One path to restore."""

    volume: Volume
    path: bytes  # in the system that the volume belongs to
    source: Source
    target: Target


class Held:
    """The roots of a moment and the directories that are restored into, held open until the end."""

    def __init__(
        self, machine: Machine, moment: Moment, to: bytes | None, stack: contextlib.ExitStack
    ) -> None:
        self.machine = machine
        self.moment = moment
        self._stack = stack
        self._roots: dict[str, int] = {}
        self._mounted: dict[bytes, int] = {}
        self.to = to

    def root(self, volume: Volume) -> int:
        """Return a descriptor of a volume's root at the moment.  Raises ImpermanenceError."""
        if volume.name not in self._roots:
            root = self.moment.roots.get(volume.name)
            if root is None:
                hint = "impermanence boots lists the old roots"
                raise ImpermanenceError(f"{self.moment.name} has no volume {volume.name}", hint)
            self._roots[volume.name] = self._stack.enter_context(opened(root, self.machine))
        return self._roots[volume.name]

    def mounted(self, path: bytes) -> int:
        """Return a descriptor of a directory of the running system, opened through no link."""
        if path not in self._mounted:
            top = os.open(b"/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fd = openat2.open_directory(top, path, os.O_RDONLY)
            except OSError as error:
                link = "a symbolic link is on the way" if error.errno == errno.ELOOP else error.strerror
                hint = "name the place itself" if error.errno == errno.ELOOP else "make it first"
                raise ImpermanenceError(f"{to_text(path)}: {link}", hint) from None
            finally:
                os.close(top)
            self._stack.callback(os.close, fd)
            self._mounted[path] = fd
        return self._mounted[path]


def _task(held: Held, argument: bytes) -> Task:
    """Return what an argument means: the first reading of it that the moment has, or else the likeliest."""
    tasks = []
    for path in dict.fromkeys(paths.candidates(held.machine, argument, paths.directory(argument))):
        volumes = [volume for volume in held.machine.volumes if within(path, volume.path)]
        if volumes:
            tasks.append(_task_of(held, max(volumes, key=lambda one: len(one.path)), path))
            with contextlib.suppress(OSError):
                openat2.facts(tasks[-1].source.root, tasks[-1].source.path)
                return tasks[-1]
    if not tasks:
        raise UsageError(f"{to_text(argument)} is in no volume", "only what is rolled back has old roots")
    return tasks[0]


def _task_of(held: Held, volume: Volume, path: bytes) -> Task:
    inside = volume.inside(path)
    if not inside.strip(b"/"):
        raise UsageError(
            f"{to_text(path)} is the whole volume", "impermanence next boot N boots an old root as a whole"
        )
    directory, name = os.path.split(inside)
    root = held.root(volume)
    key = b"%d" % held.moment.roots[volume.name].id
    if held.to is not None:
        to = os.path.normpath(os.path.join(os.getcwdb(), held.to)) if held.to[:1] != b"/" else held.to
        target = Target(held.mounted(to), b"/", name, to.rstrip(b"/") + b"/" + name)
    else:
        shown = volume.mountpoint.rstrip(b"/") + inside
        target = Target(held.mounted(volume.mountpoint), directory, name, shown)
    return Task(volume, path, Source(root, inside, key), target)


def _check(tasks: Sequence[Task], options: Options) -> None:
    """Refuse what cannot be done before anything is."""
    for task in tasks:
        if options.to is None:
            restore.refuse_mount_point(task.target.shown)
        if _goes(task, options):
            if not (options.keep or options.force):
                restore.remove(task.target, keep=False, force=False)
            continue
        restore.check(task.source, task.target, keep=options.keep, force=options.force)
    targets = [task.target.shown for task in tasks]
    for one in targets:
        if any(one is not other and within(one, other) for other in targets):
            raise UsageError(f"{to_text(one)} would be restored twice", "restore these paths one by one")


def _goes(task: Task, options: Options) -> bool:
    """Tell whether a path is put back as the blank has it, which is not at all."""
    return options.moment == Word.BLANK and options.to is None and restore.is_absent(task.source)


def _restore(task: Task, options: Options, stop: Stop) -> Restored:
    if _goes(task, options):
        return restore.remove(task.target, keep=options.keep, force=options.force)
    latest: list[Progress] = []
    what = f"restoring {to_text(task.path)}"

    def words(seconds: float) -> str:
        if not latest:
            return what
        files = wording.plural(latest[-1].files, "file")
        return f"{progress.rate(latest[-1].size, 0, seconds, what)}, {files}"

    with progress.shown(words):
        try:
            return restore.restore(
                task.source,
                task.target,
                keep=options.keep,
                force=options.force,
                progress=latest.append,
                cancelled=stop.event.is_set,
            )
        except Cancelled:
            message = f"{to_text(task.path)} was not restored: interrupted; what was copied stays"
            raise Cancelled(message, "the same command goes on with it") from None
        except OSError as error:
            why = failure_to_text(error)
            hint = "what is there was not touched"
            raise ImpermanenceError(f"{to_text(task.path)} was not restored: {why}", hint) from None


# Words


def _words(task: Task, moment: Moment) -> str:
    return f"{to_text(task.path)} from {moment.name} to {to_text(task.target.shown)}"


def _said(task: Task, one: Restored, moment: Moment) -> Iterator[str]:
    """Yield what was done with one path, and what to know of it."""
    if not one.result.files:
        yield f"{to_text(task.path)} is not there any more, as in {moment.name}"
    else:
        files = wording.plural(one.result.files, "file")
        yield f"restored {_words(task, moment)}: {files}, {size_to_text(one.result.size)}"
    if one.backup is not None:
        yield f"  what was there is {to_text(one.backup)} beside it"
    if one.replaced:
        yield "  what was there is gone"
    for path in one.made:
        yield f"  made the directory {to_text(path)}"
    for lost in one.result.lost[:MOST_LOST]:
        yield f"  not carried over: {lost.kind} of {to_text(lost.path) or 'the top'} {lost.detail}".rstrip()
    more = len(one.result.lost) - MOST_LOST + one.result.lost_more
    if more > 0:
        yield f"  and {more:,} more"
