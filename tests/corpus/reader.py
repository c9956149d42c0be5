"""Reads the labelled corpus.  What the columns mean stands in README.md beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from impermanenced.model import Change, FileType

PATHS = Path(__file__).with_name("paths.tsv")
HELD_OUT = Path(__file__).with_name("held-out.tsv")


@dataclass(frozen=True, slots=True)
class Row:
    """One path and what it ought to be called."""

    path: bytes
    type: FileType
    change: Change
    system: str
    expected: str  # crud, regenerated, cache, managed
    loss: str | None  # loss class of crud
    importance: int | None  # of crud: 1 hurts most, 3 least
    facts: dict[str, str]  # what the machine knows of it besides
    argument: str
    source: str

    @property
    def crud(self) -> bool:
        return self.expected == "crud"


def fields(file: Path = PATHS) -> list[dict[str, str]]:
    """The rows as they are written: names of the columns to text.  ValueError: a row of another width."""
    lines = [line for line in file.read_text("utf-8").split("\n") if line and not line.startswith("#")]
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def rows(file: Path = PATHS) -> list[Row]:
    return [parse(written) for written in fields(file)]


def parse(written: dict[str, str]) -> Row:
    facts = written["facts"]
    return Row(
        path=os.fsencode(written["path"]),
        type=FileType(written["type"]),
        change=Change(written["change"]),
        system=written["system"],
        expected=written["expected"],
        loss=None if written["class"] == "-" else written["class"],
        importance=None if written["importance"] == "-" else int(written["importance"]),
        facts={} if facts == "-" else dict(fact.split("=", 1) for fact in facts.split(";")),
        argument=written["argument"],
        source=written["source"],
    )
