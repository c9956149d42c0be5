"""Who wrote what, kept over restarts of the daemon: a SQLite file in the state directory, or memory."""

from .book import Ledger
from .copied import Copied
from .words import Batch, Crowd, Noted, Origin

__all__ = ["Batch", "Copied", "Crowd", "Ledger", "Noted", "Origin"]
