"""The paths that outsiders persist or ignore, a machine that has them, and the figures read there."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from impermanenced.cli.rows import rows as report_rows
from impermanenced.losses import LossClass
from impermanenced.model import Change, Difference, Entry, FileType, Verdict
from impermanenced.paths import ancestors, within
from impermanenced.report.knowledge import Knowledge
from impermanenced.report.suggest import System, choose, item_of

from .appraised import appraised

OUTSIDERS = Path(__file__).with_name("outsiders.tsv")
USER = 1000
_RANDOM = bytes(random.Random(17).randrange(256) for _ in range(600))
_KEY = b"-----BEGIN %s PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDx1\n"
CONTENTS = {  # by the code of a row: what such a file begins with
    "t": b"some words that a program wrote\nand some more of them\n",
    "s": b"#!/bin/sh\nset -e\nexec rsync -a /home /mnt\n",
    "j": b'{\n  "version": 3,\n  "theme": "dark",\n  "window": {"width": 900}\n}\n',
    "J": b'{\n  "version": 3,\n  "access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a"\n}\n',
    "T": b'version = 3\n\n[window]\nwidth = 900\ntheme = "dark"\n',
    "i": b"[General]\nversion=3\ntheme=dark\n",
    "y": b"version: 3\ntheme: dark\nwindow:\n  width: 900\n",
    "x": b'<?xml version="1.0" encoding="UTF-8"?>\n<settings version="3"/>\n',
    "l": b"2026-01-01 12:00:00 INFO started\n2026-01-01 12:00:01 INFO ready\n",
    "q": b"SQLite format 3\0" + bytes(500),
    "r": b"REDIS0011\xfa\tredis-ver\x057.0.0" + _RANDOM,
    "b": b"\x01\x02\x03\x04" + _RANDOM,
    "g": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + _RANDOM,
    "z": b"PK\x03\x04\x14\0" + _RANDOM,
    "p": b"\x89PNG\r\n\x1a\n" + _RANDOM,
    "P": _KEY.replace(b"%s ", b""),
    "k": _KEY.replace(b"%s", b"OPENSSH"),
    "M": b"From me@example.org Thu Jan  1 12:00:00 2026\nSubject: hello\n\nHello.\n",
    "e": b"",
    "SOCK": b"",
}
PRIVATE = ("J", "P", "k")  # what programs write with mode 0600


@dataclass(frozen=True, slots=True)
class Outsider:
    """One path, and what somebody did about it."""

    path: bytes
    type: FileType
    keep: bool  # somebody persists it; otherwise somebody excludes it
    classes: frozenset[str]  # the loss classes that are right
    source: str
    content: str  # a key of CONTENTS
    names: tuple[str, ...]  # one of them is in the application's right name
    declared: bytes | None  # the path that the person declared

    @property
    def hurts(self) -> bool:
        """Return whether its loss hurts: by every class that is right, or by most."""
        return bool(self.classes & _HURTING) and self.classes <= _HURTING | {LossClass.SERVICE_STATE}

    @property
    def lesser(self) -> bool:
        """Return whether its loss is one of those that hurt less, by every class that is right."""
        return self.keep and not self.classes & _HURTING


_HURTING = frozenset((LossClass.SECRET, LossClass.DATABASE, LossClass.DOCUMENT))


def outsiders(file: Path = OUTSIDERS) -> list[Outsider]:
    lines = [line for line in file.read_text("utf-8").split("\n") if line and not line.startswith("#")]
    return [_parse(line.split("\t")) for line in lines]


def _parse(fields: Sequence[str]) -> Outsider:
    path, kind, label, classes, source, _, content, names, declared = fields
    return Outsider(
        os.fsencode(path),
        FileType(kind),
        {"keep": True, "noise": False}[label],
        frozenset() if classes == "-" else frozenset(classes.split(",")),
        source,
        content,
        () if names == "-" else tuple(names.split(",")),
        os.fsencode(declared) if declared.startswith("/") else None,
    )


def differences(root: Path, rows: Iterable[Outsider]) -> list[Difference]:
    """Make the files of these rows below an empty directory, and return what a comparison would say."""
    found: dict[bytes, Difference] = {}
    inode = 300
    for row in rows:
        content = CONTENTS[row.content]
        mode = 0o600 if row.content in PRIVATE else 0o644
        for path in (*reversed(ancestors(row.path)), row.path):
            inode += 1
            directory = path != row.path
            uid = USER if path.startswith(b"/home/u") else 0
            place = os.fsencode(root) + path
            if not directory and row.type is FileType.FILE:
                Path(os.fsdecode(place)).write_bytes(content)
                os.chmod(place, mode)
                os.chown(place, uid, uid)
            elif directory and not os.path.isdir(place):
                os.mkdir(place)
                os.chown(place, uid, uid)
            if directory and path in _IN_BLANK:
                continue
            found[path] = Difference(
                path, FileType.DIRECTORY if directory else row.type, Change.CREATED, "+......", inode,
                0 if directory else len(content), uid, uid, 0o755 if directory else mode, 0,
            )  # fmt: skip
    return sorted(found.values(), key=lambda one: one.path)


# What a blank has, so that no new directory stands for all of it.
_IN_BLANK = frozenset(
    b"/etc /home /home/u /opt /usr /usr/lib /usr/local /usr/local/share /usr/share /var /var/cache /var/lib"
    b" /var/lib/systemd /var/log /var/backup /var/db /export /etc/default /etc/nix /usr/lib/modules".split()
) - {b"/var/backup", b"/var/db", b"/export"}


def entries_of(root: Path, rows: Iterable[Outsider], knowledge: Knowledge) -> dict[bytes, Entry]:
    """Return what is said of each path of a machine that has these rows; `root` is an empty directory."""
    return appraised(root, knowledge, differences(root, rows))


@dataclass(frozen=True, slots=True)
class Figures:
    """What the verdicts on some rows come to, each from 0 to 1, and what is wrong, in words."""

    recall: float
    precision: float
    quiet: float
    loss: float
    application: float
    wrong: tuple[str, ...]


def figures(found: Sequence[tuple[Outsider, Entry]]) -> Figures:
    """Return the figures of rows, each with what was said of it on a machine of its own."""
    wrong: list[str] = []
    kept = [(row, entry) for row, entry in found if row.keep]
    noise = [(row, entry) for row, entry in found if not row.keep]
    heard = [(row, entry) for row, entry in kept if entry.verdict is Verdict.CRUD]
    loud = [(row, entry) for row, entry in noise if entry.verdict is Verdict.CRUD]
    named = [(row, entry) for row, entry in heard if row.names]

    def note(what: str, row: Outsider, entry: Entry) -> None:
        right = f"{','.join(sorted(row.classes))} {row.names}"
        said = f"{entry.verdict} {entry.loss} {entry.score} {entry.application!r}"
        wrong.append(f"{what:11} {os.fsdecode(row.path)}: {right}: {said}: {entry.rule}; {entry.because}")

    for row, entry in kept:
        if entry.verdict is not Verdict.CRUD:
            note("missed", row, entry)
    for row, entry in loud:
        note("loud", row, entry)
    classes = [entry.loss in row.classes for row, entry in heard]
    names = [any(name in entry.application.lower() for name in row.names) for row, entry in named]
    for (row, entry), right in zip(heard, classes, strict=True):
        if not right:
            note("class", row, entry)
    for (row, entry), right in zip(named, names, strict=True):
        if not right:
            note("application", row, entry)
    return Figures(
        len(heard) / len(kept),
        len(heard) / (len(heard) + len(loud)),
        1 - len(loud) / len(noise),
        sum(classes) / len(classes),
        sum(names) / len(names),
        tuple(wrong),
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """How the declarations of persons compare with those that are suggested; the four make 1."""

    exact: float
    coarser: float  # a directory above it is suggested
    finer: float  # only what lies in it is
    missed: float
    wrong: tuple[str, ...]


def suggested(directory: Path, rows: Sequence[Outsider], knowledge: Knowledge) -> Shares:
    """Return how what persons declared compares with what is suggested on a machine with their paths."""
    counts: Counter[str] = Counter()
    wrong = []
    for number, source in enumerate(sorted({row.source for row in rows if row.declared})):
        own = [row for row in rows if row.source == source]
        root = directory / f"person{number}"
        root.mkdir()
        items = [item_of(entry) for entry in entries_of(root, own, knowledge).values()]
        with closing(system_of(root)) as system:
            paths = {one.path for one in choose(items, system, b"/persist", dotfiles=True).wanted}
        for declared in sorted({row.declared for row in own if row.declared}):
            if not any(within(row.path, declared) for row in own):
                continue  # the person declared another spelling of it
            how, said = _compared(declared, paths)
            counts[how] += 1
            if how != "exact":
                wrong.append(f"{how:8} {os.fsdecode(declared)}: {said}")
    exact, coarser, finer, missed = (
        counts[how] / counts.total() for how in ("exact", "coarser", "finer", "missed")
    )
    return Shares(exact, coarser, finer, missed, tuple(wrong))


def system_of(root: Path) -> System:
    """Return the accounts of a machine with one person, whose home is /home/u."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(f"root:x:0:0::/root:/bin/sh\nu:x:{USER}:{USER}::/home/u:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\nu:x:{USER}:\n")
    return System(lambda path: os.fsencode(root) + path, native=False)


def _compared(declared: bytes, paths: set[bytes]) -> tuple[str, str]:
    if declared in paths:
        return "exact", ""
    for above in ancestors(declared):
        if above in paths:
            return "coarser", os.fsdecode(above)
    below = sorted(path for path in paths if within(path, declared))
    return ("finer", os.fsdecode(b", ".join(below))) if below else ("missed", "")


HURTING, LESSER, NOISE, FIRST = 12, 25, 25, 15  # things of a day, and the rows of its report that are read


def ranked(directory: Path, rows: Sequence[Outsider], knowledge: Knowledge, days: int) -> tuple[float, float]:
    """Return which share of what hurts the first rows of a day hold, and how many of them are noise."""
    held, noisy = 0.0, 0
    for day in range(days):
        drawn = random.Random(day)
        hurting = drawn.sample([row for row in rows if row.hurts], HURTING)
        lesser = drawn.sample([row for row in rows if row.lesser], LESSER)
        noise = drawn.sample([row for row in rows if not row.keep], NOISE)
        root = directory / f"day{day}"
        root.mkdir()
        entries = entries_of(root, [*hurting, *lesser, *noise], knowledge).values()
        first = report_rows([entry for entry in entries if entry.verdict is Verdict.CRUD])[:FIRST]
        shown = [{entry.difference.path for entry in row.entries} for row in first]
        held += sum(any(one.path in paths for paths in shown) for one in hurting) / HURTING
        quiet = {one.path for one in (*hurting, *lesser)}
        noisy += sum(paths.isdisjoint(quiet) for paths in shown)
    return held / days, noisy / days
