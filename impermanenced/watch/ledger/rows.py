"""The values that go into the ledger and come out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...lazy import NamedTuple
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
    """One inode in a batch of writes."""

    origin: Origin | None  # None: the process is not known
    directory: int  # the directory that it was last reached through; 0: not known
    named: bool  # whether a name for it came, went or moved
    first: float
    last: float


Batch = Mapping[int, Mapping[int, Noted]]  # by subvolume, by inode


class Crowd(NamedTuple):
    """Many files of one writer in one directory, as one row."""

    directory: int
    files: int
    writer: Writer | None


def to_ms(seconds: float) -> int:
    """Return a time in whole milliseconds."""
    return round(seconds * 1000)


def agreed(writers: Sequence[Writer | None]) -> Writer | None:
    """Return the one writer that all of these are, or None if there are several or one is unknown.

    At different times different things are known of the same program in the same unit: for a process that has
    just ended, the path of its program is missing but its name is known.
    """
    known = [writer for writer in writers if writer is not None]
    if len(known) < len(writers) or len({(one.kind, one.unit, one.comm) for one in known}) != 1:
        return None
    programs = {one.exe for one in known if one.exe}
    users = {one.uid for one in known if one.uid is not None}
    if len(programs) > 1 or len(users) > 1:
        return None
    return max(known, key=lambda one: one.last)._replace(
        exe=programs.pop() if programs else b"",
        uid=users.pop() if users else None,
        first=min(one.first for one in known),
    )
