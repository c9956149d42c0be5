"""The record of one difference, which the questions of the appraisal fill in."""

from __future__ import annotations

from ...lazy import NamedTuple
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


class Finding:
    """The findings on one difference so far; the fields are those of `Entry`."""

    __slots__ = (
        *("advice", "application", "because", "bookkeeping", "group", "judged", "known", "loss", "lost"),
        *("named", "package", "placed", "rule", "unit", "unpushed", "verdict"),
    )

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.verdict = judged.verdict
        self.rule = judged.rule
        self.loss = LossClass.UNKNOWN
        self.known: int | None = None
        self.application = ""
        self.unit = ""
        self.package = ""
        self.group = b""
        self.lost = 0
        self.named = False  # whether a rule of the knowledge is about it, and not only about its place
        self.placed = True  # whether only its place is known, so that the content decides
        self.because: tuple[str, ...] = ()
        self.advice: tuple[Advice, ...] = ()
        self.unpushed = ""
        self.bookkeeping = False

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
