"""What each command does with the whole document (wire.report_to_json), short of showing it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..kernel import mounts
from ..model import Verdict
from ..text import from_text, path_of, to_text

Document = Mapping[str, Any]

WHOLE = ("inode", "target", "target_raw", "subvolume", "hidden", "unpushed")  # what is not public
WHOLE_VOLUME = ("path", "path_raw", "root_id", "blank_id")
LOST = 3  # exit code of status --exit-code


def counts(document: Document) -> dict[str, int]:
    """How many entries there are of every verdict, also of those there are none of."""
    found = {verdict.value: 0 for verdict in Verdict}
    for entry in document["entries"]:
        found[entry["verdict"]] += 1
    return found


def _without(fields: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    copy = dict(fields)
    for key in left_out:
        copy.pop(key, None)
    return copy


def status(document: Document, *, all_verdicts: bool) -> dict[str, Any]:
    """The public document: without --all only what would be lost; the counts tell of the rest."""
    return {
        **_without(document, "entries", "volumes"),
        "volumes": [_without(volume, *WHOLE_VOLUME) for volume in document["volumes"]],
        "counts": counts(document),
        "caches": sum(
            entry["verdict"] == Verdict.IGNORED.value and entry["loss"] == "cache"
            for entry in document["entries"]
        ),
        "entries": [
            _without(entry, "letters", *WHOLE)
            for entry in document["entries"]
            if all_verdicts or entry["verdict"] == Verdict.CRUD.value
        ],
    }


def diff(document: Document, path: bytes | None) -> dict[str, Any]:
    """All entries at or below the path, with their letters."""
    entries = document["entries"]
    if path is not None:
        at = to_text(path)
        below = at.rstrip("/") + "/"
        entries = [entry for entry in entries if entry["path"] == at or entry["path"].startswith(below)]
    return {
        **_without(document, "entries", "volumes"),
        "volumes": [_without(volume, *WHOLE_VOLUME) for volume in document["volumes"]],
        "entries": [_without(entry, *WHOLE) for entry in entries],
    }


# Which path is meant


def _absolute(path: bytes, cwd: bytes) -> bytes:
    # POSIX leaves two leading slashes alone, and so does normpath.
    return b"/" + os.path.normpath(os.path.join(cwd, path)).lstrip(b"/")


def _moved(path: bytes, above: bytes, below: bytes) -> bytes | None:
    """The path with one of its ancestors exchanged for another directory."""
    if path == above:
        return below
    inside = above.rstrip(b"/") + b"/"
    return below.rstrip(b"/") + b"/" + path[len(inside) :] if path.startswith(inside) else None


def candidates(document: Document, argument: bytes, cwd: bytes) -> Iterator[bytes]:
    """What a path on the command line may mean in the system that the volumes belong to, likeliest first."""
    readings = [argument]
    if b"\\" in argument:
        with contextlib.suppress(UsageError):  # a name may have a backslash of its own
            readings.append(from_text(os.fsdecode(argument)))
    for reading in readings:
        path = _absolute(reading, cwd)
        for volume in document["volumes"]:
            mountpoint, place = path_of(volume, "mountpoint"), path_of(volume)
            moved = _moved(path, mountpoint, place)
            if mountpoint != place and moved is not None:
                yield moved
        yield path
        parent, name = os.path.split(path)
        if name and location(document, path) == path:  # another system's links are not ours to follow
            yield os.path.join(os.path.realpath(parent), name)


def meant(document: Document, argument: bytes, cwd: bytes) -> bytes:
    """The candidate that differs from the blank, else one that exists, else the likeliest."""
    found = list(dict.fromkeys(candidates(document, argument, cwd)))
    changed = {entry["path"] for entry in document["entries"]}
    for path in found:
        if to_text(path) in changed:
            return path
    for path in found:
        if os.path.lexists(location(document, path)):
            return path
    return found[0]


def location(document: Document, path: bytes) -> bytes:
    """Where in the running system a path of the volumes' system is found."""
    best, where = b"", path
    for volume in document["volumes"]:
        place = path_of(volume)
        moved = _moved(path, place, path_of(volume, "mountpoint"))
        if moved is not None and len(place) > len(best):
            best, where = place, moved
    return where


@dataclass(frozen=True, slots=True)
class Explanation:
    path: str
    entry: Mapping[str, Any] | None  # what differs from the blank, if anything does
    words: str = ""  # in place of an entry
    exit_code: int = 0


def explain(document: Document, argument: bytes, cwd: bytes) -> Explanation:
    path = meant(document, argument, cwd)
    text = to_text(path)
    above, below = None, 0
    for entry in document["entries"]:
        if entry["path"] == text:
            return Explanation(text, entry)
        below += entry["path"].startswith(text.rstrip("/") + "/")
        if entry["type"] == "subvolume" and text.startswith(entry["path"] + "/"):
            above = entry
    where = location(document, path)
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
        covers = _moved(path, mount.path, b"/") is not None
        if covers and (found is None or len(mount.path) >= len(found.path)):
            found = mount
    return found


def _on_mount(mount: mounts.Mount) -> str:
    what = f"{to_text(mount.source)}{to_text(mount.root) if mount.root != b'/' else ''}"
    fstype = to_text(mount.fstype)
    if fstype in ("tmpfs", "ramfs", "devtmpfs"):
        return f"is on a {fstype} (mounted at {to_text(mount.path)}), which is empty at each boot"
    return f"is on another mount, which the rollback does not touch: {to_text(mount.path)} ({fstype}, {what})"
