"""`explain`: what happened to one path, why it would be lost or not, and what keeps it."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ...config.load import DEFAULT
from ...errors import UsageError
from ...kernel import mounts
from ...text import path_of, size_to_text, to_text
from .. import arguments, output, paths, remedies, source, wording
from ..output import Style
from ..source import Document
from ..verb import Shared, Verb
from . import COMMANDS


@dataclass(frozen=True, slots=True)
class Options:
    path: bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", help="only this, and what is below")


def read_options(found: argparse.Namespace) -> Options:
    if found.path is None:
        raise UsageError("no path to explain", "impermanence explain PATH")
    return Options(arguments.path(found.path))


def run(options: Options, shared: Shared) -> int:
    settings = source.settings(shared.config)
    explanation = look_up(source.fetch(shared.config), options.path, paths.directory(options.path))
    shown = text(
        explanation,
        persist=to_text(settings.persist[0]) if settings and settings.persist else "/persist",
        config=to_text(shared.config or DEFAULT),
        now=time.time(),
        style=output.style(shared),
        commands=COMMANDS,
    )
    output.write(shown)
    return explanation.exit_code


verb = Verb(add_arguments, read_options, run)


# What is known of the path


@dataclass(frozen=True, slots=True)
class Explanation:
    path: str
    entry: Mapping[str, Any] | None  # what differs from the blank, if anything does
    words: str = ""  # in place of an entry
    exit_code: int = 0


def look_up(document: Document, argument: bytes, cwd: bytes) -> Explanation:
    path = paths.meant(document, argument, cwd)
    text = to_text(path)
    above, below = None, 0
    for entry in document["entries"]:
        if entry["path"] == text:
            return Explanation(text, entry)
        below += entry["path"].startswith(text.rstrip("/") + "/")
        if entry["type"] == "subvolume" and text.startswith(entry["path"] + "/"):
            above = entry
    where = paths.location(document, path)
    if not os.path.lexists(where):
        return Explanation(text, None, "does not exist, and is not in the blank either", 1)
    mount = _mount_at(where)
    if mount is not None and mount.path not in {
        path_of(volume, "mountpoint") for volume in document["volumes"]
    }:
        return Explanation(text, None, _on_mount(mount))
    if above is not None:
        return Explanation(
            text, None, f"goes with the subvolume {above['path']}, which is {above['verdict']}"
        )
    if not document["complete"]:
        return Explanation(
            text, None, "no difference from the blank is known, but the report is not complete"
        )
    if below:
        return Explanation(
            text, None, f"is as in the blank, but {below:,} below it differ: impermanence diff {text}"
        )
    return Explanation(text, None, "is as in the blank: nothing of it is lost at the next boot")


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
    explanation: Explanation,
    *,
    persist: str,
    config: str,
    now: float,
    style: Style,
    commands: Collection[str] = (),
) -> str:
    entry = explanation.entry
    if entry is None:
        return f"{style.bold(explanation.path)} {explanation.words}\n"
    lines = [f"{style.bold(explanation.path)}   {_facts(entry, now)}"]
    facts = {
        "verdict": [_verdict(entry)],
        "because": [entry["rule"], *entry.get("because", ())],
        "written": [_written(entry["writer"], now)],
    }
    if lost := entry.get("lost", 0):
        facts["history"] = [_history(lost)]
    if entry["verdict"] == "crud":
        facts["keep it"] = list(remedies.lines(entry, persist=persist, config=config, commands=commands))
    for name, values in facts.items():
        lines += [f"  {name if not number else '':7}  {value}" for number, value in enumerate(values)]
    return "\n".join(lines) + "\n"


def _verdict(entry: Mapping[str, Any]) -> str:
    said = [entry["verdict"]]
    if entry["loss"]:
        said.append(f"class {entry['loss']}")
    if entry.get("application"):
        said.append(entry["application"])
    if entry.get("score"):
        said.append(f"score {entry['score']}")
    return ", ".join(said)


def _history(lost: int) -> str:
    when = "the last boot" if lost == 1 else f"each of the last {lost} boots"
    return f"lost at the end of {when}; still in the old root: impermanence boots"


_CHANGES = {"created": "created", "deleted": "deleted", "modified": "modified", "replaced": "replaced"}


def _facts(entry: Mapping[str, Any], now: float) -> str:
    change = _CHANGES.get(entry["change"], "mode, owner, times or attributes changed")
    age = wording.age(wording.seconds(entry["mtime"]), now)
    kind = "" if entry["type"] == "file" else f"{entry['type']}, "
    size = f"{size_to_text(entry['size'])}, " if entry["type"] == "file" else ""
    when = f"the blank's is of {age}" if entry["change"] == "deleted" else f"last modified {age}"
    return f"{kind}{change}, {when}, {size}{wording.user(entry['uid'])} {entry['mode']}"


def _written(writer: Mapping[str, Any] | None, now: float) -> str:
    if writer is None:
        return "by nobody that is known: it was not watched, or the event was lost"
    details = [wording.program_of(writer), f"pid {writer['pid']}"]
    if writer["uid"] is not None:
        details.append(f"uid {wording.user(writer['uid'])}")
    by = f"{writer['unit']} ({', '.join(filter(None, details))})" if writer["unit"] else ", ".join(details)
    first, last = (wording.clock(writer[key], now, exact=True) for key in ("first", "last"))
    return f"by {by}, {f'first {first}, last {last}' if first != last else f'at {first}'}"
