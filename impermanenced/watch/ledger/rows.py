"""What goes into the ledger and what comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...model import Writer


class Origin(NamedTuple):
    """The part of a `Writer` that is the same for everything one process writes."""

    unit: str
    exe: bytes
    comm: bytes
    pid: int
    uid: int | None
    kind: str = ""


class Noted(NamedTuple):
    """What a batch says of one inode."""

    origin: Origin | None  # None: nobody can say
    directory: int  # it was last written to by way of; 0: not known
    named: bool  # a name for it came, went or moved
    first: float
    last: float


Batch = Mapping[int, Mapping[int, Noted]]  # by subvolume, by inode


class Crowd(NamedTuple):
    """What many files of one writer in one directory came to."""

    directory: int
    files: int
    writer: Writer | None


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def agreed(writers: Sequence[Writer | None]) -> Writer | None:
    """The one that all of these are, or None.

    Of one program in one unit more is known at one time than at another: of a process that has just ended
    there is no path of its program any more, but a name.
    """
    known = [writer for writer in writers if writer is not None]
    if len(known) < len(writers) or len({(one.kind, one.unit, one.comm) for one in known}) != 1:
        return None
    programs = {one.exe for one in known if one.exe}
    users = {one.uid for one in known if one.uid is not None}
    if len(programs) > 1 or len(users) > 1:
        return None
    return dataclasses.replace(
        max(known, key=lambda one: one.last),
        exe=programs.pop() if programs else b"",
        uid=users.pop() if users else None,
        first=min(one.first for one in known),
    )
