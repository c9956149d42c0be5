"""A copy of the ledger at one moment, for a process that cannot open the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...model import Writer
from .database import Database
from .rows import agreed

PIECE = 1000  # rows

Row = tuple[int, ...]
Pieces = tuple[str, list[Any]]  # a table, and rows of it

_ORIGINS = "SELECT id, unit, exe, comm, uid, kind FROM origin WHERE id > ?1 ORDER BY id LIMIT ?2"
_SEEN = """SELECT root, inode, origin, pid, first, last FROM seen
    WHERE boot = ?1 AND (root, inode) > (?2, ?3) ORDER BY root, inode LIMIT ?4"""
_CROWDS = """SELECT root, directory, origin, pid, first, last FROM crowd
    WHERE boot = ?1 AND (root, directory, origin) > (?2, ?3, ?4) ORDER BY root, directory, origin LIMIT ?5"""


def pieces(safely: Callable[[Callable[[], list[Row]]], list[Row]], database: Database) -> Iterator[Pieces]:
    """Yield the rows of this boot as (table, rows), a thousand at a time.

    Each piece is a query of its own, made by way of `safely`: the ledger is written to in between.
    """

    def read(table: str, query: str, last: Row, *boot: int) -> Iterator[Pieces]:
        width = len(last)
        while True:
            after = (*boot, *last, PIECE)
            rows = safely(lambda after=after: database.con.execute(query, after).fetchall())  # type: ignore[misc]
            if not rows:
                return
            yield table, rows
            if rows[-1][:width] <= last:  # a damaged index would have no end
                return
            last = rows[-1][:width]

    boot = database.boot
    yield from read("origin", _ORIGINS, (0,))
    yield from read("seen", _SEEN, (0, 0), boot)
    yield from read("crowd", _CROWDS, (0, 0, -1), boot)


class LedgerCopy:
    """A read-only ledger in memory, filled with what `Ledger.pieces` gave."""

    def __init__(
        self, since: float | None, gaps: tuple[tuple[float, float], ...], overflows: int, curtailed: int
    ) -> None:
        self.since = since
        self.gaps = gaps
        self.overflows = overflows
        self.curtailed = curtailed
        self._origins: dict[int, tuple[str, bytes, bytes, int, str]] = {}
        self._seen: dict[tuple[int, int], Row] = {}
        self._crowds: dict[tuple[int, int], list[Row]] = {}

    def add(self, found: Iterable[Pieces]) -> None:
        """Add these pieces of the ledger."""
        for table, rows in found:
            if table == "origin":
                self._origins.update((number, tuple(rest)) for number, *rest in rows)
            elif table == "seen":
                self._seen.update(((root, inode), tuple(rest)) for root, inode, *rest in rows)
            else:
                for root, directory, *rest in rows:
                    self._crowds.setdefault((root, directory), []).append(tuple(rest))

    def of(self, root_id: int, inode: int) -> Writer | None:
        """Return who wrote to an inode, or None."""
        return self._writer(self._seen.get((root_id, inode)))

    def has_crowds(self) -> bool:
        """Return whether any directory is kept as a whole."""
        return bool(self._crowds)

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        """Return who filled a directory, or None if it is not kept as a whole or there were several."""
        rows = self._crowds.get((root_id, directory), ())
        return agreed([self._writer(row) for row in rows]) if rows else None

    def _writer(self, row: Row | None) -> Writer | None:
        if row is None or row[0] not in self._origins:
            return None
        number, pid, first, last = row
        unit, exe, comm, uid, kind = self._origins[number]
        return Writer(unit, exe, comm, pid, None if uid == -1 else uid, first / 1000, last / 1000, kind)
