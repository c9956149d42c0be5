"""`tidy`: move what nothing declares out of the way in the persist volumes, and back."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ...document.fields import printed
from ...document.strays import tidy_to_json
from ...errors import ImpermanenceError, UsageError
from ...keep import tidy
from ...keep.tidy import Done, Plan
from ...report.report import Manager
from ...text import to_text
from .. import arguments, asking, output, paths, strays, wording
from ..output import Style
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[bytes, ...] = ()
    back: bool = False
    dry_run: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument("paths", metavar="PATH", nargs="*", help="only these strays, and those below")
    parser.add_argument(
        "--back", action="store_true", help="put back what the last run, or these paths, lost to it"
    )
    arguments.add_dry_run(parser, "list what would be moved, and move nothing")
    arguments.add_yes(parser)


def read_options(found: argparse.Namespace) -> Options:
    if found.back and found.dry_run:
        raise UsageError("--back does not go with --dry-run", "impermanence tidy --dry-run lists the trash")
    named = tuple(arguments.path(one) for one in found.paths)
    return Options(named, found.back, found.dry_run, found.yes)


def run(options: Options, shared: Shared) -> int:
    wanted = [paths.absolute(one, paths.directory(one)) for one in options.paths]
    tell = _nobody if shared.json else _tell_back if options.back else _tell_moved
    with Manager(shared.config) as manager:
        if options.back:
            plan, done = Plan(), tidy.give_back(manager, wanted, tell)
        else:
            plan = tidy.look(manager, wanted, time.time())
            if not shared.json:
                output.write_now(text(plan, output.style(shared), output.columns()))
            if plan.is_empty or options.dry_run:
                done = Done()
            elif not options.yes and not _agreed(plan):
                output.write_now("nothing was moved\n")
                return 0
            else:
                done = tidy.run(manager, plan, time.time(), tell)
    if shared.json:
        output.write(printed(tidy_to_json(plan, done, dry_run=options.dry_run)))
    elif done.moved:
        output.write("take it back:  impermanence tidy --back\n")
    for one in done.failed:
        output.complain(f"{to_text(one.path)}: {one.why}")
    if done.failed:
        what = wording.plural(len(done.failed), "thing")
        raise ImpermanenceError(f"{what} could not be {'put back' if options.back else 'moved'}")
    return 0


verb = Verb(add_arguments, read_options, run)


def _agreed(plan: Plan) -> bool:
    over = f", and delete {wording.plural(len(plan.over), 'thing')} for good" if plan.over else ""
    question = f"Move {wording.plural(len(plan.move), 'thing')} away{over}?"
    return asking.agreed(question, "--yes moves them, --dry-run only lists them")


def _nobody(path: bytes) -> None:
    pass


def _tell_moved(path: bytes) -> None:
    output.write_now(f"moved {to_text(path)}\n")


def _tell_back(path: bytes) -> None:
    output.write_now(f"put back {to_text(path)}\n")


def text(plan: Plan, style: Style, columns: int) -> str:
    """Return what would be done, for a person; the first line answers."""
    lines = [style.bold(_answer(plan))]
    for title, rows in (
        ("to move away:", list(strays.rows(plan.move, columns))),
        ("in use, and left where it is:", list(strays.rows(plan.used, columns))),
        ("in the trash for longer than 30 days, to delete for good:", list(_trash(plan.over))),
        ("in the trash:", list(_trash(plan.waiting))),
    ):
        if rows:
            lines += ["", f"  {title}", *rows]
    if not plan.complete:
        lines += ["", "  not complete: there is more, or a part could not be read"]
    return "\n".join(lines) + "\n"


def _answer(plan: Plan) -> str:
    if plan.move:
        return f"nothing declares {strays.total(plan.move)}, in the persist volumes."
    if plan.over:
        return f"the grace of {wording.plural(len(plan.over), 'thing')} in the trash is over."
    return "nothing is to be tidied."


def _trash(found: tuple[tidy.Kept, ...]) -> Iterator[str]:
    for one in found:
        yield f"    {to_text(one.path)}  {wording.age(one.tidied.time, time.time())}"
