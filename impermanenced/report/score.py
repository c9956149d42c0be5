"""How much a loss hurts: 0 (nothing) to 100.

the class's own weight, or what the knowledge of the application says
halved     for what the blank brings back (a deletion, changed metadata) and for what holds nothing
+ 6        a person's session edited it
+ 1 each   boot in a row that lost it already, at most 6: it was missed before
+ 1 each   power of a hundred in bytes, at most 4
+ 2        changed within the last hour: somebody is at it
"""

from __future__ import annotations

import bisect

from ..losses import LossClass
from ..model import Change, Difference, FileType

_HOUR = 3600.0
_SIZES = (100, 100**2, 100**3, 100**4)
_BROUGHT_BACK = (Change.DELETED, Change.METADATA)
_EMPTY = (FileType.FILE, FileType.DIRECTORY)


def score(
    difference: Difference,
    loss: LossClass,
    *,
    known: int | None = None,
    person: bool = False,
    lost: int = 0,
    age: float | None = None,
) -> int:
    """Return the score of a difference that would be lost.

    `known` is the weight that a rule gives it; `age` the seconds since the last change.
    """
    figure = loss.traits.weight if known is None else known
    if difference.change in _BROUGHT_BACK or (difference.size == 0 and difference.type in _EMPTY):
        figure //= 2
    figure += 6 * person + (lost if lost < 6 else 6) + bisect.bisect_right(_SIZES, difference.held)
    if age is not None and age < _HOUR:
        figure += 2
    return figure if figure < 100 else 100
