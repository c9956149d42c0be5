"""The ledger of who wrote what, kept over restarts of the daemon: a SQLite file in the state directory, or
memory.
"""

from .copy import LedgerCopy
from .ledger import Ledger
from .rows import Batch, Crowd, Noted, Origin

__all__ = ["Batch", "Crowd", "Ledger", "LedgerCopy", "Noted", "Origin"]
