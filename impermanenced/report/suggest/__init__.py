"""From what would be lost to the declarations that would keep it.

`choice` decides, `places` knows what is never declared as a whole, `system` answers who owns what.  What a
declaration looks like in one language or another is the business of whoever shows it.
"""

from .accounts import System
from .choice import choose
from .declarations import Item, Remedy, Suggestion, Wanted, Way, item_of

__all__ = ["Item", "Remedy", "Suggestion", "System", "Wanted", "Way", "choose", "item_of"]
