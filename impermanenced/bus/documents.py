"""A report as the bus carries it: JSON in a sealed file, with what its reader may see."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..config.load import within
from ..config.values import PATH_MAX
from ..errors import UsageError
from ..model import Entry, Report
from ..text import entry_to_json, path_fields, report_to_json, to_text

# fcntl.h; the reader can rely on what it reads
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def report_for(report: Report, uid: int) -> Iterator[str]:
    """The JSON form in pieces, with what this user may see: root everything, others what belongs to them."""
    mine: Sequence[Entry] = report.entries
    head = {**report_to_json(dataclasses.replace(report, entries=()))}
    if uid != 0:
        mine = [entry for entry in report.entries if entry.difference.uid == uid]
        size = sum(entry.difference.size for entry in report.entries if entry.difference.uid != uid)
        head["others"] = {"entries": len(report.entries) - len(mine), "bytes": size}
        head["complete"] = report.complete and len(mine) == len(report.entries)
    del head["entries"]
    yield json.dumps(head, ensure_ascii=False).removesuffix("}") + ', "entries": ['
    for number, entry in enumerate(mine):
        yield (",\n" if number else "") + json.dumps(entry_to_json(entry), ensure_ascii=False)
    yield "]}"


def explanation_for(report: Report, path: bytes, uid: int) -> Iterator[str]:
    """What the report has of one path, as JSON; UsageError where no volume has it."""
    if not path.startswith(b"/") or b"\0" in path or b".." in path.split(b"/"):
        raise UsageError(f"{to_text(path[:PATH_MAX])}: not an absolute path", 'a path has no ".." and no NUL')
    path = b"/" + b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))
    if not any(within(path, volume.path) for volume in report.volumes):
        raise UsageError(f"{to_text(path[:PATH_MAX])}: on no volume that is rolled back")
    mine = [entry for entry in report.entries if uid in (0, entry.difference.uid)]
    at = next((entry for entry in mine if entry.difference.path == path), None)
    above = next(
        (one for one in mine if one.difference.subvolume and _inside(path, one.difference.path)), None
    )
    document = report_to_json(dataclasses.replace(report, entries=()))
    del document["entries"]
    yield json.dumps({
        **document,
        "complete": report.complete and len(mine) == len(report.entries),
        **path_fields(path),
        "entry": at and entry_to_json(at),
        "subvolume": above and entry_to_json(above),
        "below": sum(_inside(entry.difference.path, path) for entry in mine),
    }, ensure_ascii=False)  # fmt: skip


def json_of(document: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps(document, ensure_ascii=False)


def _inside(path: bytes, directory: bytes) -> bool:
    return path != directory and within(path, directory)


def sealed_file(pieces: Iterable[str]) -> int:
    fd = os.memfd_create("report", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            stream.writelines(pieces)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd
