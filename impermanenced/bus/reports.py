"""A report as the bus carries it: JSON in a sealed file, with what its reader may see."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence

from ..model import Entry, Report
from ..wire import entry_to_json, report_to_json

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
