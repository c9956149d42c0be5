"""What was found of one difference so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...losses import LossClass
from ...model import Advice, Difference, FileType, Verdict, Writer

DIRECTORIES = (FileType.DIRECTORY, FileType.SUBVOLUME)
_SESSIONS = ("session", "user")


class Judged(NamedTuple):
    """A difference, and what the configuration's rules say of it."""

    difference: Difference
    verdict: Verdict
    rule: str
    writer: Writer | None
    hidden: bool = False  # beneath what is mounted over it


@dataclass(slots=True)
class View:
    judged: Judged
    verdict: Verdict
    rule: str
    loss: LossClass = LossClass.UNKNOWN
    known: int | None = None
    application: str = ""
    unit: str = ""
    package: str = ""
    group: bytes = b""
    lost: int = 0
    named: bool = False  # a rule of the knowledge is about it, not about its place alone
    because: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    unpushed: str = ""
    bookkeeping: bool = False


def person(writer: Writer | None) -> bool:
    """Whether somebody's session wrote it."""
    if writer is None:
        return False
    if writer.kind:
        return writer.kind in _SESSIONS
    return writer.unit.startswith(("session-", "user@"))
