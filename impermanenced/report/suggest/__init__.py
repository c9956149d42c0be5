"""The declarations that would keep what would be lost.

`choice` decides, and `report/accounts` says who owns what; `report/structure` lists the directories that are
never declared as a whole.  How a declaration looks in a language is left to the formats of the command line.
"""

from ..accounts import System
from .adopted import declaration_of
from .choice import choose
from .declarations import Item, Remedy, RemedyKind, Suggestion, Wanted, Way, item_of

__all__ = [
    "Item",
    "Remedy",
    "RemedyKind",
    "Suggestion",
    "System",
    "Wanted",
    "Way",
    "choose",
    "declaration_of",
    "item_of",
]
