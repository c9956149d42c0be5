"""The classes of what can be lost, from what hurts most to what hurts least.

This is the one table of them.  A new class is a row here, a line below LOSS CLASSES in impermanence(1), and
a test; whatever the program does about a class, it asks the row.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

# A person reads the marks of a score: two from SERIOUS on, one from BAD on.
SERIOUS = 85
BAD = 60


class Gate(enum.StrEnum):
    """What `impermanence gate` says of a reboot, the gravest first."""

    BLOCK = "block"
    WARN = "warn"
    PASS = "pass"


@dataclass(frozen=True, slots=True)
class Traits:
    weight: int  # score of such a loss when nothing more is known of it, 0 to 100
    gate: Gate  # what one such path does to the gate, unless the configuration says otherwise
    desktop: bool = True  # worth interrupting somebody for
    place: bool = False  # a place alone may give this class: what else is known overrules it
    sniffed: bool = False  # the first bytes of a file may tell of a worse class
    boot: bool = False  # the boot may have made it without anybody missing it


class LossClass(enum.StrEnum):
    _value_: str
    traits: Traits

    # mypy takes LossClass("secret"), which finds a member, for a call of this: so the row can be left out.
    def __new__(cls, word: str, *row: Traits) -> LossClass:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.traits,) = row
        return member

    SECRET = "secret", Traits(95, Gate.BLOCK)
    DATABASE = "database", Traits(85, Gate.BLOCK)
    DOCUMENT = "document", Traits(75, Gate.WARN, sniffed=True)
    SERVICE_STATE = "service-state", Traits(55, Gate.WARN, place=True, sniffed=True, boot=True)
    SUBVOLUME = "subvolume", Traits(50, Gate.WARN)
    CONFIG = "config", Traits(45, Gate.WARN, place=True, sniffed=True, boot=True)
    UNKNOWN = "unknown", Traits(40, Gate.WARN, place=True, sniffed=True, boot=True)
    HISTORY = "history", Traits(25, Gate.WARN, sniffed=True, boot=True)
    LOG = "log", Traits(15, Gate.PASS, desktop=False, boot=True)
    CACHE = "cache", Traits(5, Gate.PASS, desktop=False, boot=True)


def of_gate(verdict: Gate) -> tuple[LossClass, ...]:
    """Return the classes of which one path has the gate say this, unless the configuration says otherwise."""
    return tuple(loss for loss in LossClass if loss.traits.gate is verdict)


def weight(loss: LossClass) -> int:
    """Return the key by which classes are compared."""
    return loss.traits.weight


def mark(score: int) -> str:
    """Return `!!` for a serious score, `!` for a bad one, else nothing."""
    return "!!" if score >= SERIOUS else "!" if score >= BAD else ""
