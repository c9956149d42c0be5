"""The record of one difference, which the questions of the appraisal fill in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...losses import LossClass
from ...model import Advice, Difference, FileType, Verdict, Writer

DIRECTORIES = (FileType.DIRECTORY, FileType.SUBVOLUME)
_SESSIONS = ("session", "user")


class Judged(NamedTuple):
    """A difference with the verdict of the configuration's rules."""

    difference: Difference
    verdict: Verdict
    rule: str
    writer: Writer | None
    hidden: bool = False  # whether a mount hides it
    fulfilment: tuple[Advice, ...] = ()  # what makes the declaration so that nothing fulfils
    mounted: bool = False  # whether it is the place of a mount, or on the way to one


@dataclass(slots=True)
class Finding:
    """The findings on one difference so far; the fields are those of `Entry`."""

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
    named: bool = False  # whether a rule of the knowledge is about it, and not only about its place
    placed: bool = True  # whether only its place is known, so that the content decides
    because: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    unpushed: str = ""
    bookkeeping: bool = False

    @property
    def declared(self) -> bool:
        """Return whether somebody wants it to persist: then no guess says that it is of no worth."""
        return self.judged.verdict is Verdict.DECLARED


def person(writer: Writer | None) -> bool:
    """Return whether a person's session wrote it."""
    if writer is None:
        return False
    if writer.kind:
        return writer.kind in _SESSIONS
    return writer.unit.startswith(("session-", "user@"))
