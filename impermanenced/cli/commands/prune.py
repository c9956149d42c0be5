"""`prune`: delete the old roots that the settings do not keep, the oldest first."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...boots.old_roots import Archive, OldRoot
from ...boots.prune import prune
from ...boots.prune.prune import Now, Plan, Pruned
from ...boots.prune.sizes import Sizes
from ...document.fields import printed
from ...document.prune import prune_to_json
from ...document.releases import retention_to_json
from ...errors import CommandError, ImpermanenceError
from ...lazy import NamedTuple
from ...releases import retention
from ...releases.retention import Done
from ...report import past
from ...state import BootFile, boot_file, parse_unused_name
from ...system import command
from ...text import size_to_text, to_text
from ...volumes.configured import configured
from .. import asking, next_boot, output, release_words, wording
from ..arguments import add_dry_run, add_json, add_yes
from ..output import Style
from ..stopping import Stop
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    dry_run: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    add_dry_run(parser, "list what would be deleted, and delete nothing")
    add_yes(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options(found.dry_run, found.yes)


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    _give_way()
    stop = Stop()
    pruned = done = None
    with configured(shared.config) as (config, machine), Archive(config, machine) as archive:
        if not options.dry_run:
            archive.lock()
        # Measuring reads all that was written in every old root, so it is done only if the sizes decide
        # something, or a person decides by them.
        measure = config.archive.keep_bytes.amount or not options.yes
        sizes = Sizes(machine) if measure else None
        # What nobody has looked at stays, so what would go by its age alone is judged first.
        aged = prune.look(config, machine, archive, clocks()).go
        untold = past.look_at(config, machine, archive, aged, note=not options.dry_run)
        plan = prune.look(config, machine, archive, clocks(), sizes, untold)
        releases = retention.look(config, machine, archive, plan.now)
        if not shared.json:
            whole = machine.size()
            limits = Limits(config.archive.keep_bytes.of(whole), config.archive.free_min.of(whole))
            output.write_now(text(plan, limits, prune.free(machine), output.style(shared)))
            output.write_now(release_words.retention(releases))
        if (releases.go or not plan.is_empty) and not options.dry_run:
            if not options.yes and not _agreed(len(plan.may_go) + len(plan.plans) + len(releases.go)):
                output.write_now("nothing was deleted\n")
                return 0
            tell = _tell_nobody if shared.json else _tell
            with stop:
                pruned = prune.run(
                    config,
                    machine,
                    archive,
                    plan,
                    now=clocks,
                    stop=stop.event,
                    progress=tell,
                    sizes=sizes,
                    untold=untold,
                )
                done = retention.run(config, machine, archive, releases, stop.event) if releases.go else None
        if shared.json:
            document = prune_to_json(plan, pruned, free=prune.free(machine), dry_run=options.dry_run)
            output.write(printed(document | {"releases": retention_to_json(releases, done)}))
        elif pruned is not None:
            output.write_now(result(pruned) + release_words.deleted(done))
    if pruned is not None and pruned.stopped:
        return 128 + stop.signal
    _check(plan, pruned, dry_run=options.dry_run)
    _check_releases(done)
    return 0


verb = Verb(add_arguments, read_options, run)


def clocks() -> Now:
    """Return the clocks of this moment."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id)


def _tell(root: OldRoot) -> None:
    output.write_now(f"deleted {to_text(root.path)}\n")


def _tell_nobody(root: OldRoot) -> None:
    pass


def _check(plan: Plan, pruned: Pruned | None, *, dry_run: bool) -> None:
    """Raise ImpermanenceError if anything that was to be deleted is still there."""
    if plan.refused is not None and not dry_run:
        raise ImpermanenceError(f"nothing was deleted: {plan.refused}")
    if pruned is not None and pruned.failed:
        raise ImpermanenceError(
            f"{wording.plural(len(pruned.failed), 'old root')} could not be deleted",
            "the next run tries again",
        )
    if faults := [(root, plan.faults[root.id]) for root in plan.found.roots if root.id in plan.faults]:
        root, why = faults[0]
        more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
        raise ImpermanenceError(f"{to_text(root.path)}: {why}{more}", "btrfs scrub looks for what is damaged")


def _check_releases(done: Done | None) -> None:
    """Raise ImpermanenceError if a release that was to be deleted is still there."""
    if done is not None and done.failed:
        old, why = done.failed[0]
        what = f"{to_text(old.place.path)} was not deleted: {why}"
        raise ImpermanenceError(what, "the next run tries again")


def _give_way() -> None:
    """Let other processes read and write first; a failure is ignored."""
    with contextlib.suppress(CommandError):
        command.run(["ionice", "--class", "idle", "--pid", str(os.getpid())])


def _agreed(count: int) -> bool:
    question = f"Delete {'it' if count == 1 else f'these {count}'}? This cannot be undone."
    return asking.agreed(question, "--yes deletes them, --dry-run only lists them")


# Words


class Limits(NamedTuple):
    """The limits of the configuration, in bytes."""

    keep_bytes: int
    free_min: int


def text(plan: Plan, limits: Limits, free: int, style: Style) -> str:
    """Return what would go, what stays and why; the first line answers."""
    lines = [style.bold(_answer(plan)), ""]
    if plan.go:
        lines += [*_table(plan, plan.go), ""]
    if plan.unused or plan.plans:
        lines.append("  left by switches that were cut, and never written to:")
        lines += [f"    {to_text(root.path)}" for root in plan.unused]
        lines += [f"    {to_text(boot_file(number, BootFile.PLAN))}" for number in plan.plans] + [""]
    if plan.over:
        held = size_to_text(sum(plan.sizes.values()))
        lines.append(f"  to hold no more than {size_to_text(limits.keep_bytes)} ({held} now):")
        lines += [*_table(plan, plan.over), ""]
    if plan.spare:
        space = f"{size_to_text(limits.free_min)} is free ({size_to_text(free)} now)"
        lines.append(f"  while less than {space}, one by one:")
        lines += [*_table(plan, plan.spare), ""]
    if plan.stay:
        lines.append("  stay:")
        lines += [*_table(plan, [root for root, _ in plan.stay], [why for _, why in plan.stay]), ""]
    if plan.found.unknown:
        lines.append("  left alone, whatever the settings say:")
        lines += [f"    {to_text(path)}  {why}" for path, why in plan.found.unknown.items()] + [""]
    if plan.found.broken:
        lines.append("  records that cannot be read; what they archived stays:")
        lines += [f"    {fault}" for fault in plan.found.broken] + [""]
    return "\n".join(lines[:-1]) + "\n"


def _answer(plan: Plan) -> str:
    stay = "stays" if len(plan.stay) == 1 else "stay"
    roots = wording.plural(len(plan.stay), "old root")
    if plan.refused is not None:
        return f"nothing to prune now, {roots} {stay}: {plan.refused}."
    if plan.is_empty:
        return f"nothing to prune, {roots} {stay}."
    certain = plan.go + plan.over
    left = len(plan.unused) + len(plan.plans)
    if left and not certain and not plan.spare:
        return f"{wording.plural(left, 'leftover')} to delete; {roots} {stay}."
    go = f"{wording.plural(len(certain), 'old root')}{_and_leftovers(left)} to delete"
    spare = wording.plural(len(plan.spare), "old root")
    if certain and plan.spare:
        go += f", and for space up to {len(plan.spare):,} more"
    elif plan.spare:
        go = f"up to {spare} to delete for space"
    return f"{go}; {len(plan.stay):,} {stay}."


def _and_leftovers(count: int) -> str:
    return f" and {wording.plural(count, 'leftover')}" if count else ""


def _table(plan: Plan, roots: Iterable[OldRoot], notes: list[str] | None = None) -> Iterator[str]:
    rows = [
        (f"boot {root.number}", to_text(root.path), _age(root, plan.now), _size(plan, root)) for root in roots
    ]
    widths = [max(wording.width(row[column]) for row in rows) for column in range(4)]
    for index, (*left, size) in enumerate(rows):
        cells = [wording.pad(cell, width) for cell, width in zip(left, widths[:3], strict=True)]
        cells += [size.rjust(widths[3])] if plan.sizes else []
        yield "  ".join(["  ", *cells, notes[index] if notes else ""]).rstrip()


def _size(plan: Plan, root: OldRoot) -> str:
    if root.id in plan.faults:
        return "unknown"
    return size_to_text(plan.sizes.get(root.id, 0)) if plan.sizes else ""


def _age(root: OldRoot, now: float) -> str:
    return "of unknown age" if root.archived is None else wording.age(root.archived, now)


def result(pruned: Pruned) -> str:
    """Return what was deleted, for a person."""
    lines = [f"{to_text(root.path)} was not deleted: {why}" for root, why in pruned.failed]
    unused = [root for root in pruned.gone if parse_unused_name(os.path.basename(root.path)) is not None]
    left = _and_leftovers(len(unused) + len(pruned.plans))
    head = f"{wording.plural(len(pruned.gone) - len(unused), 'old root')}{left} deleted"
    if pruned.stopped:
        head += f"; stopped, {pruned.left} left for the next run"
    elif pruned.left:
        head += f"; {pruned.left} may stay for now"
    if not pruned.settled and not pruned.stopped:
        head += "; the space has not all come back yet"
    return "\n".join([*lines, f"{head}."]) + "\n"
