"""Rules made for one question, and what asking them costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from impermanenced.model import FileType
from impermanenced.report.knowledge import Knowledge, parse

if TYPE_CHECKING:
    from _typeshed import TraceFunction


def knowledge(*tables: str) -> Knowledge:
    """Rules of one file, each told by its application, its paths and what else there is."""
    needed = '[[rule]]\nwhat = "x"\nclass = "config"\n'
    return Knowledge(parse.parse("".join(needed + table + "\n" for table in tables).encode(), "x.toml"))


def application(asked: Knowledge, path: bytes, type: FileType = FileType.FILE) -> str | None:
    """The word of the rule that decides."""
    rule, _ = asked.rules_of(path, type)
    return None if rule is None else rule.application


def work(function: Callable[[], object]) -> int:
    """How many lines of the package's own code a function runs."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> TraceFunction:
        nonlocal count
        count += event == "line" and "/knowledge/" in frame.f_code.co_filename
        return note

    sys.settrace(note)
    try:
        function()
    finally:
        sys.settrace(None)
    return count
