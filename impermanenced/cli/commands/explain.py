"""`explain`: what happened to one path, why it would be lost or not, and what keeps it."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from dataclasses import dataclass

from ...errors import UsageError
from ...kernel import mounts
from ...model import LOSSES, Change, Difference, Entry, FileType, Forecast, Report, Writer
from ...report.explanation import Explanation, explain
from ...report.forecast import Fate, fate, why
from ...text import from_text, size_to_text, to_text
from .. import arguments, next_boot, output, paths, remedies, source, wording
from ..output import Style
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    path: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="the path to explain")


def read_options(found: argparse.Namespace) -> Options:
    if found.path is None:
        raise UsageError("no path to explain", "impermanence explain PATH")
    return Options(arguments.path(found.path))


def run(options: Options, shared: Shared) -> int:
    next_boot.complain_of_another_root(shared.config)
    settings = source.settings(shared.config)
    report = source.fetch(shared.config)
    report = report._replace(forecast=next_boot.forecast_of(report, shared.config))
    answer = look_up(report, options.path, paths.directory(options.path))
    persist = settings.persist[0] if settings and settings.persist else remedies.PERSIST
    if answer.entry is not None and answer.entry.verdict in LOSSES:
        placements = settings.placements if settings else ()
        declared = remedies.declaration(report, answer.path, persist, placements)
        kept = answer.path if declared is None else from_text(declared.argument)
        answer = dataclasses.replace(
            answer,
            entry=remedies.with_declaration(answer.entry, declared),
            writing=remedies.stopping(report, kept) if shared.config is None else (),
        )
    shown = text(
        answer,
        persist=None if settings and settings.persist and shared.config is None else to_text(persist),
        config=None if shared.config is None else to_text(shared.config),
        now=time.time(),
        style=output.style(shared),
    )
    output.write(shown)
    return answer.exit_code


verb = Verb(add_arguments, read_options, run)


# What is known of the path


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer about one path."""

    path: bytes
    entry: Entry | None  # the difference from the blank, if there is one
    words: str = ""  # the answer if there is no entry
    exit_code: int = 0
    forecast: Forecast | None = None
    blank: bytes | None = None  # of the volume that the path is in, from the top level
    subvolume: bytes | None = None  # the nested subvolume that the path is in
    writing: tuple[str, ...] = ()  # services that run, and write to what would be kept


def look_up(report: Report, argument: bytes, cwd: bytes) -> Answer:
    """Return what is known of the path that the argument means."""
    found = explain(report, paths.meant(report, argument, cwd))
    path = found.path
    if found.entry is not None:
        volume = found.entry.volume
        blank = next((one.blank for one in report.volumes if one.name == volume), None)
        box = found.subvolume.difference.path if found.subvolume is not None else None
        return Answer(path, found.entry, forecast=report.forecast, blank=blank, subvolume=box)
    where = paths.location(report, path)
    if not os.path.lexists(where):
        return Answer(path, None, "does not exist, and is not in the blank either", 1)
    return Answer(path, None, _as_in_the_blank(found, where))


def _as_in_the_blank(found: Explanation, where: bytes) -> str:
    """Return in words why nothing differs; `where` is the place of the path in the running system."""
    mount = _mount_at(where)
    if mount is not None and mount.path not in {volume.mountpoint for volume in found.report.volumes}:
        return _on_mount(mount)
    if (above := found.subvolume) is not None:
        return f"goes with the subvolume {to_text(above.difference.path)}, which is {above.verdict.value}"
    if not found.report.complete:
        return "no difference from the blank is known, but the report is not complete"
    if found.below:
        more = f"impermanence diff {to_text(found.path)}"
        return f"is as in the blank, but {found.below:,} below it differ: {more}"
    return "is as in the blank: nothing of it is lost at the next boot"


def _mount_at(path: bytes) -> mounts.Mount | None:
    found: mounts.Mount | None = None
    for mount in mounts.read():
        covers = paths.moved(path, mount.path, b"/") is not None
        if covers and (found is None or len(mount.path) >= len(found.path)):
            found = mount
    return found


def _on_mount(mount: mounts.Mount) -> str:
    what = f"{to_text(mount.source)}{to_text(mount.root) if mount.root != b'/' else ''}"
    fstype = to_text(mount.fstype)
    if fstype in ("tmpfs", "ramfs", "devtmpfs"):
        return f"is on a {fstype} (mounted at {to_text(mount.path)}), which is empty at each boot"
    return f"is on another mount, which the rollback does not touch: {to_text(mount.path)} ({fstype}, {what})"


# In words


def text(
    answer: Answer,
    *,
    persist: str | None,
    config: str | None,
    now: float,
    style: Style,
) -> str:
    """Return the answer for a person."""
    entry, path = answer.entry, style.bold(to_text(answer.path))
    if entry is None:
        return f"{path} {answer.words}\n"
    lines = [f"{path}   {_facts(entry.difference, now)}"]
    facts = {
        "verdict": [_verdict(entry)],
        "because": [entry.rule, *entry.because],
        "written": [_written(entry.writer, now)],
    }
    if answer.subvolume is not None:
        facts["lies in"] = [f"{to_text(answer.subvolume)}, a nested subvolume, which goes with the volume"]
    if entry.lost:
        facts["history"] = [_history(entry.lost)]
    facts["then"] = [_afterwards(entry, answer.forecast)]
    if entry.verdict in LOSSES:
        keep = remedies.lines(entry, persist=persist, config=config, blank=answer.blank, stop=answer.writing)
        facts["keep it"] = list(keep)
    for name, values in facts.items():
        lines += [f"  {name if not number else '':7}  {value}" for number, value in enumerate(values)]
    return "\n".join(lines) + "\n"


def _verdict(entry: Entry) -> str:
    said: list[str] = [entry.verdict.value]
    if entry.loss:
        said.append(f"class {entry.loss}")
    if entry.application:
        said.append(entry.application)
    if entry.score:
        said.append(f"score {entry.score}")
    return ", ".join(said)


def _afterwards(entry: Entry, forecast: Forecast | None) -> str:
    """Return what is at the path after the next boot."""
    if forecast is not None and forecast.spared is not None:
        return f"the next boot leaves it as it is: {why(forecast)}"
    decision = None if forecast is None else forecast.decision
    return {
        Fate.STAYS: "the next boot leaves it as it is",
        Fate.PERSISTS: "after the next boot, what is mounted or linked there is there again",
        Fate.GONE: "after the next boot it is gone",
        Fate.BLANK: "after the next boot it is as in the blank",
        Fate.OLD_ROOT: f"after the next boot it is as in old root {decision and decision.boot}",
        Fate.UNKNOWN: "what the next boot will do is not known",
    }[fate(entry, forecast)]


def _history(lost: int) -> str:
    when = "the last boot" if lost == 1 else f"each of the last {lost} boots"
    return f"lost at the end of {when}; still in the old root: impermanence boots"


def _facts(difference: Difference, now: float) -> str:
    metadata = difference.change is Change.METADATA
    change = "mode, owner, times or attributes changed" if metadata else difference.change.value
    age = wording.age(difference.mtime / 1e9, now)
    file = difference.type is FileType.FILE
    kind = "" if file else f"{difference.type.value}, "
    size = f"{size_to_text(difference.size)}, " if file else ""
    if file and difference.allocated is not None:
        size = f"{size_to_text(difference.size)} ({size_to_text(difference.allocated)} on the disk), "
    when = f"the blank's is of {age}" if difference.change is Change.DELETED else f"last modified {age}"
    return f"{kind}{change}, {when}, {size}{wording.user(difference.uid)} {difference.mode:04o}"


def _written(writer: Writer | None, now: float) -> str:
    if writer is None:
        return "writer unknown (not watched, or the event was lost)"
    details = [wording.program_of(writer), f"pid {writer.pid}"]
    if writer.uid is not None:
        details.append(f"uid {wording.user(writer.uid)}")
    said = ", ".join(filter(None, details)) if writer.unit else ", ".join(details)
    by = f"{wording.unit(writer.whose)} ({said})" if writer.unit else said
    first, last = (wording.clock(moment, now, exact=True) for moment in (writer.first, writer.last))
    return f"by {by}, {f'first {first}, last {last}' if first != last else f'at {first}'}"
