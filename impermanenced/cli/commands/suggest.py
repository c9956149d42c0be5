"""`suggest`: the declarations that would empty the list, ready to paste."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...config.load import Config
from ...document.fields import Object, printed
from ...document.suggest import suggestion_to_json
from ...lazy import NamedTuple
from ...model import Report
from ...paths import ancestors
from ...report.suggest import Item, Suggestion, System, choose, item_of
from ...text import to_text
from .. import arguments, next_boot, output, paths, remedies, source, wording
from ..formats import modules, preservation, tmpfiles, toml, uncovered
from ..formats.writing import Task, Written
from ..verb import Shared, Verb

USUAL = b"/persist /persistent /nix/persist /nix/state /state /keep".split()

_FORMATS: Mapping[str, tuple[Callable[[Task], Written], Sequence[str]]] = {
    "toml": (toml.write, toml.HEAD),
    "impermanence": (modules.impermanence, modules.HEADS["impermanence"]),
    "preservation": (preservation.write, preservation.HEAD),
    "home-manager": (modules.home_manager, modules.HEADS["home-manager"]),
    "tmpfiles": (tmpfiles.write, tmpfiles.HEAD),
}
FORMATS = tuple(_FORMATS)
_FOR_NIX = ("impermanence", "preservation", "home-manager")


class Persist(NamedTuple):
    """The persist volume of new declarations."""

    path: bytes
    note: str = ""  # how it was chosen, if neither option nor configuration says it


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[bytes, ...] = ()
    format: str = "toml"  # one of FORMATS
    persist: bytes | None = None  # the persist volume of new declarations
    whole: bool = False
    all: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_json(parser)
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="only for these paths, and what is below them"
    )
    parser.add_argument("--format", choices=FORMATS, default="toml", help="default: toml")
    parser.add_argument(
        "--persist", metavar="VOLUME", help="the persist volume of new declarations, such as /persist"
    )
    parser.add_argument("--whole", action="store_true", help="also print what is declared already")
    parser.add_argument(
        "--all", action="store_true", help="also declare logs, and what is better kept in another way"
    )


def read_options(found: argparse.Namespace) -> Options:
    named = tuple(arguments.path(one) for one in found.paths)
    persist = None
    if found.persist is not None:
        persist = paths.persist_volume(arguments.path(found.persist), "--persist")
    return Options(named, found.format, persist, found.whole, found.all)


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    cwd = b"/" if all(path.startswith(b"/") for path in options.paths) else os.getcwdb()
    report, config = source.fetch(shared.config), source.settings(shared.config)
    if shared.json:
        output.write(printed(document(report, config, options, cwd)))
    else:
        output.write_long(text(report, config, options, cwd), shared)
    return 0


verb = Verb(add_arguments, read_options, run)


def _suggestion(
    report: Report,
    items: Sequence[Item],
    system: System,
    persist: Persist,
    config: Config | None,
    options: Options,
    cwd: bytes,
) -> Suggestion:
    """Return the suggestion.

    `config` is None if the caller may not read it; `cwd` is what the paths of the options are relative to.
    """
    return choose(
        items,
        system,
        persist.path,
        config.placements if config else (),
        narrow=[paths.meant(report, path, cwd) for path in options.paths],
        logs=options.all,
        dotfiles=options.all or not _has_nix(report, options),
    )


def _has_nix(report: Report, options: Options) -> bool:
    """Return whether home-manager and its like can be used, so that they are preferred where they
    are better.
    """
    return options.format in _FOR_NIX or os.path.isdir(paths.location(report, b"/nix/store"))


def document(report: Report, config: Config | None, options: Options, cwd: bytes) -> Object:
    """Return what --json prints."""
    persist = _persist(report, config, options)
    items = [item_of(entry) for entry in report.entries]
    with remedies.accounts(report) as system:
        suggestion = _suggestion(report, items, system, persist, config, options, cwd)
    return suggestion_to_json(suggestion, persist.path)


# Where it would be kept


def _persist(report: Report, config: Config | None, options: Options) -> Persist:
    if options.persist is not None:
        return Persist(options.persist)
    known = config.persist if config else ()
    if len(known) == 1:
        return Persist(known[0])
    if known:
        others = wording.plural(len(known) - 1, "other")
        return Persist(known[0], f"Below {to_text(known[0])} and not one of {others}: --persist chooses.")
    there = [path for path in USUAL if os.path.ismount(paths.location(report, path))]
    path = there[0] if there else USUAL[0]
    return Persist(path, f"No persist volume is configured; {to_text(path)} is a guess: --persist chooses.")


# For people


def text(report: Report, config: Config | None, options: Options, cwd: bytes) -> str:
    """Return the declarations, ready to paste."""
    persist = _persist(report, config, options)
    items = [item_of(entry) for entry in report.entries]
    with remedies.accounts(report) as system:
        suggestion = _suggestion(report, items, system, persist, config, options, cwd)
        wanted = tuple(one for one in suggestion.wanted if options.whole or not one.declared)
        task = Task(suggestion, wanted, {item.path: item for item in items}, system)
        trial = config is not None and not config.rollback.wipe
        notes = list(_notes(report, task, persist, trial=trial, ours=options.format == "toml"))
        return "".join(f"{line}\n" for line in _lines(task, options, notes))


def _lines(task: Task, options: Options, notes: Iterable[str]) -> Iterator[str]:
    write, head = _FORMATS[options.format]
    written = write(task)
    for line in (*head, *notes):
        yield f"# {line}"
    yield from written.lines
    for title, lines in (
        ("Not by these declarations:", uncovered.lines(task, written)),
        ("Declared, and better kept in another way where there is Nix:", uncovered.better(task)),
    ):
        said = list(lines)
        if said:
            yield ""
            yield from (f"# {line}" for line in (title, *said))
    yield f"# {_sum(task, written)}"


def _notes(report: Report, task: Task, persist: Persist, *, trial: bool, ours: bool) -> Iterator[str]:
    if trial:
        yield "This is a trial (rollback.wipe is false): nothing is wiped yet."
    if report.others is not None and report.others.entries:
        yield "What belongs to other users is not in it: root sees all."
    elif not report.complete:
        yield "Not complete: a part could not be read."
    new = [one for one in task.wanted if not one.declared]
    if new:
        if persist.note:
            yield persist.note
        ours_does = "impermanence persist PATH  copies, mounts and declares"
        copies = ours_does if ours else f"First: {_adopt(persist)}"
        yield f"Declaring copies nothing.  {copies}"


def _adopt(persist: Persist) -> str:
    return f"cp -a --reflink=auto --parents PATH {shlex.quote(to_text(persist.path))}"


def _sum(task: Task, written: Written) -> str:
    losses = task.suggestion.losses
    if not losses:
        return "Nothing would be lost: there is nothing to add."
    refused = {one.path for one, _ in written.refused}
    reached = {above for one in task.wanted if one.path not in refused for above in ancestors(one.path)}
    lost = sum(one.count for one, _ in written.refused)
    lost += sum(path not in reached for path in task.suggestion.on_the_way)
    covered = task.suggestion.covered - lost + len(written.nodes)
    left = losses - covered
    said = f"Covered: {covered:,} of {wording.plural(losses, 'path')} that would be lost"
    return f"{said}; not covered: {left:,}, for the reasons above." if left else f"{said}."
