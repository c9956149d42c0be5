"""What is said of files that a test makes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from impermanenced.model import Change, Difference, Entry, FileType, Verdict, Volume, Writer
from impermanenced.paths import ancestors
from impermanenced.report.appraisal import Judged, VolumeFacts, appraise
from impermanenced.report.knowledge import Knowledge
from impermanenced.report.providers.tmpfiles import Sysusers, Tmpfiles
from impermanenced.report.rules import NOTHING
from impermanenced.system.systemd import NoSystemd


def made(root: Path, path: bytes, content: bytes = b"x\n") -> Path:
    """Make a file, and return where it is."""
    place = Path(os.fsdecode(os.fsencode(root) + path))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def created(root: Path, path: bytes) -> Difference:
    """Return the difference of what there is now to a blank that lacks it."""
    facts = os.lstat(os.fsencode(root) + path)
    directory = stat.S_ISDIR(facts.st_mode)
    kind = FileType.DIRECTORY if directory else FileType.FILE
    size, mode = 0 if directory else facts.st_size, stat.S_IMODE(facts.st_mode)
    return Difference(path, kind, Change.CREATED, "+......", 300, size, facts.st_uid, 0, mode, 0)


def with_directories(root: Path, paths: Iterable[bytes]) -> list[Difference]:
    """Return the differences of these files, and of the directories above them."""
    return [created(root, path) for path in sorted({*paths, *(a for path in paths for a in ancestors(path))})]


def appraised(
    root: Path,
    knowledge: Knowledge,
    differences: Iterable[Difference],
    writers: Mapping[bytes, Writer] | None = None,
    faults: list[str] | None = None,
) -> dict[bytes, Entry]:
    """Return what is said of these, on a machine without packages; `faults` gets what could not be read."""
    judged = [Judged(one, Verdict.CRUD, NOTHING, (writers or {}).get(one.path)) for one in differences]
    volume = Volume("root", b"/", b"/", b"root", 256, None, None)
    where = os.fsencode(root)
    with VolumeFacts(volume, where, None, None, NoSystemd(), lambda homes: knowledge, tuple, "") as facts:
        vars(facts).update(packages=None, tmpfiles=Tmpfiles(), sysusers=Sysusers(frozenset()))
        entries = appraise(facts, judged, 1e9)
        if faults is not None:
            faults += facts.faults()
    return {one.difference.path: one for one in entries}


def said(
    root: Path, knowledge: Knowledge, contents: Mapping[bytes, bytes], mode: int = 0o644
) -> dict[bytes, Entry]:
    """Return what is said of files with these contents and this mode."""
    for path, content in contents.items():
        made(root, path, content).chmod(mode)
    return appraised(root, knowledge, [created(root, path) for path in contents])
