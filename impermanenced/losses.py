"""The table of loss classes, from the worst to the least.

This is the only table of them: whatever the program does about a class, it asks the row.  A new class is a
row here, a line below LOSS CLASSES in impermanence(1), and a labelled path in tests/corpus.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from .lazy import NamedTuple

# A row is marked twice from SERIOUS on, and once from BAD on.
SERIOUS = 85
BAD = 60


class Gate(enum.StrEnum):
    """The answers of `impermanence gate` on a reboot, the gravest first."""

    BLOCK = "block"
    WARN = "warn"
    PASS = "pass"


class Traits(NamedTuple):
    """The row of one class."""

    weight: int  # the score of such a loss, 0 to 100, if nothing more is known of it
    gate: Gate  # the gate's answer to one such path, unless the configuration says otherwise
    desktop: bool = True  # whether it is shown on the desktop
    place: bool = False  # whether a place alone gives this class, so that anything else overrules it
    sniffed: bool = False  # whether the first bytes of a file may show a worse class
    boot: bool = False  # whether such a file may be the boot's own


class LossClass(enum.StrEnum):
    """The classes, the worst first."""

    _value_: str
    traits: Traits

    # mypy takes LossClass("secret"), which finds a member, for a call of this, so the row is optional.
    def __new__(cls, word: str, *row: Traits) -> LossClass:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.traits,) = row
        return member

    SECRET = "secret", Traits(95, Gate.BLOCK)
    DATABASE = "database", Traits(85, Gate.BLOCK)
    DOCUMENT = "document", Traits(75, Gate.WARN, sniffed=True)
    SERVICE_STATE = "service-state", Traits(55, Gate.WARN, place=True, sniffed=True, boot=True)
    SUBVOLUME = "subvolume", Traits(50, Gate.WARN, sniffed=True)
    CONFIG = "config", Traits(45, Gate.WARN, place=True, sniffed=True, boot=True)
    UNKNOWN = "unknown", Traits(40, Gate.WARN, place=True, sniffed=True, boot=True)
    HISTORY = "history", Traits(25, Gate.WARN, sniffed=True, boot=True)
    LOG = "log", Traits(15, Gate.PASS, desktop=False, boot=True)
    CACHE = "cache", Traits(5, Gate.PASS, desktop=False, boot=True)


# By the word for it, as documents and rule files have it: ten times as quick as LossClass(word).
CLASSES: Mapping[str, LossClass] = {str(loss): loss for loss in LossClass}


def of_gate(verdict: Gate) -> tuple[LossClass, ...]:
    """Return the classes to which the gate gives this answer, unless the configuration says otherwise."""
    return tuple(loss for loss in LossClass if loss.traits.gate is verdict)


def weight(loss: LossClass) -> int:
    """Return the key by which classes are compared."""
    return loss.traits.weight


def mark(score: int) -> str:
    """Return `!!` for a serious score, `!` for a bad one, and "" for any other."""
    return "!!" if score >= SERIOUS else "!" if score >= BAD else ""
