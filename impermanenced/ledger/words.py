"""What goes into the ledger and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..model import Writer


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
