"""A row of the corpus as a machine has it, with what databases know of it; and what is said of it then."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Set
from pathlib import Path

from impermanenced.kernel import openat2
from impermanenced.model import Difference, Entry, FileType, Verdict, Volume
from impermanenced.report.appraisal import Judged, VolumeFacts, appraise
from impermanenced.report.knowledge import Knowledge
from impermanenced.report.providers.packages import Packaged, Packages
from impermanenced.report.providers.tmpfiles import Sysusers, Tmpfiles, parse
from impermanenced.report.rules import NOTHING
from impermanenced.system.systemd import NoSystemd

from .reader import Row


class Books:
    """A package manager that knows what the row says."""

    tool = "dpkg"
    places: tuple[bytes, ...] = ()

    def __init__(self, row: Row, content: bytes) -> None:
        self.faults: dict[str, None] = {}
        self._row, self._content = row, content

    def installed(self) -> Set[str]:
        return set()

    brought = removed = installed

    def files(self, package: str) -> list[bytes]:
        return []

    files_removed = files

    def configuration(self) -> Mapping[bytes, Packaged]:
        return self._of("conffile", b"as packaged")

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        return self._of("package", self._content)

    def _of(self, fact: str, content: bytes) -> Mapping[bytes, Packaged]:
        package = self._row.facts.get(fact)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return {} if package is None else {self._row.path: Packaged(package, f"md5:{digest}")}


def said_of(row: Row, knowledge: Knowledge, root: Path) -> Entry:
    """`root` is an empty directory; what is made in it stays."""
    raw = os.fsencode(root)
    content = b"" if row.facts.get("empty") else os.fsencode(row.facts.get("head", "")) + b"\nx" * 50
    _write(raw + row.path, row, content)
    if "same-as" in row.facts:
        _write(raw + os.fsencode(row.facts["same-as"]), row, content)
    facts = os.lstat(raw + row.path) if os.path.lexists(raw + row.path) else None
    letters = {"created": "+......", "deleted": "-......"}.get(row.change, "c......")
    target = os.fsencode(row.facts["target"]) if "target" in row.facts else None
    size = facts.st_size if facts is not None and row.type is FileType.FILE else 0
    difference = Difference(
        row.path, row.type, row.change, letters, 300, size, os.getuid(), 0, 0o644, 0, target,
        subvolume=7 if row.type is FileType.SUBVOLUME else None,
    )  # fmt: skip
    volume = Volume("root", b"/", b"/", b"root", 256, None, None)
    with VolumeFacts(
        volume, raw, None, None, NoSystemd(), lambda homes: knowledge, tuple, ""
    ) as volume_facts:
        read = lambda path, limit: openat2.read(volume_facts.root, path, limit)  # noqa: E731
        line = row.facts.get("tmpfiles", "")
        vars(volume_facts).update(
            packages=Packages(Books(row, content), read),
            tmpfiles=Tmpfiles(parse(os.fsencode(line))),
            sysusers=Sysusers(frozenset()),
        )
        (entry,) = appraise(volume_facts, [Judged(difference, Verdict.CRUD, NOTHING, None)], time.time())
    return entry


def _write(path: bytes, row: Row, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if row.change == "deleted":
        return
    if row.type in (FileType.DIRECTORY, FileType.SUBVOLUME):
        os.mkdir(path)
        if content:
            with open(path + b"/content", "wb"):
                pass
    elif row.type is FileType.SYMLINK:
        os.symlink(os.fsencode(row.facts["target"]), path)
    elif row.type is FileType.FILE:
        with open(path, "wb") as stream:
            stream.write(content)
