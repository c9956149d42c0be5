"""The ledger: who wrote what, by boot, subvolume and inode.

The ledger is bounded.  A directory in which one writer made very many files is one row with a count.  If
there are still too many rows, further directories of the users who have most become one row each, the fullest
first; after that their rows seen longest ago are forgotten, which is counted.  The last boots are kept, as
long as there is room.

It never fails: a damaged file is put aside and a new one begun, and where the file cannot be written the
ledger goes on in memory.  Both are logged once.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from ...model import Writer
from ...state import LEDGER
from ...system import logger
from ...text import failure_to_text, to_text
from . import limits
from .copy import Pieces, pieces
from .database import ASIDE, Database, Inside
from .limits import PUT_CROWD
from .programs import Origins
from .rows import Batch, Crowd, Noted, agreed, to_ms

ROWS = 100_000  # rows of one boot, at most
BOOTS = 10
BYTES = 64 << 20
RUN = 8  # inodes that have all the rest in common, from which on one statement stores them
PIECE = 4096  # inodes in one statement, at most
CROWD = 128  # files of one writer in one directory and batch from which on the directory is one row

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_ON_CONFLICT = """
ON CONFLICT DO UPDATE SET last = excluded.last,
    directory = CASE WHEN excluded.directory THEN excluded.directory ELSE directory END,
    pid = CASE WHEN ?9 OR origin = 0 THEN excluded.pid ELSE pid END,
    origin = CASE WHEN ?9 OR origin = 0 THEN excluded.origin ELSE origin END
"""
_PUT = f"INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) {_ON_CONFLICT}"
# For inodes that have all the rest in common.  The third is a list in JSON, which SQLite unpacks in a third
# of the time that it takes to bind each one.  (`WHERE true`: or ON would be the join's.)
_PUT_SEVERAL = (
    "INSERT INTO seen SELECT ?1, ?2, value, ?4, ?5, ?6, ?7, ?8 FROM json_each(?3) WHERE true"
    f" {_ON_CONFLICT}"
)

T = TypeVar("T")

log = logger.get()


class Ledger:
    """The ledger, which any thread may call.

    `directory` is where the file lies, or None for a ledger in memory.  `inside` calls what opens, moves and
    closes files, in a place where the directory has that name.
    """

    def __init__(
        self,
        directory: bytes | None,
        boot_id: str,
        clock: Callable[[], float],
        *,
        rows: int = ROWS,
        size: int = BYTES,
        boots: int = BOOTS,
        inside: Inside = lambda work: work(),
    ) -> None:
        self.forgotten = 0
        self.gaps: tuple[tuple[float, float], ...] = ()  # when no daemon watched in this boot
        self._clock = clock
        self._row_limit, self._byte_limit, self._boots = rows, size, boots
        self._lock = threading.RLock()
        path = None if directory is None else os.path.join(directory, LEDGER)
        self._database = Database(path, inside, boot_id, clock())
        self._origins = Origins(self._database)
        self._crowds: dict[tuple[int, int], set[int]] = {}  # origins by (subvolume, directory)
        try:
            self._database.open()
            self._look_around()
        except (sqlite3.DatabaseError, OSError) as error:
            self._rescue(error)
        self.since = self._since()

    @property
    def in_memory(self) -> bool:
        """Return whether the ledger has no file."""
        return self._database.path is None

    def _look_around(self) -> None:
        """Read again what is cached of the database."""
        self._origins.forget()
        self._crowds = {}
        for root_id, directory, origin in self._database.con.execute(
            "SELECT root, directory, origin FROM crowd WHERE boot = ?", (self._database.boot,)
        ):
            self._crowds.setdefault((root_id, directory), set()).add(origin)
        self._rows = self._database.count("seen")

    def _since(self) -> float:
        """Return when the first life of this boot began, and set the gaps between that one and this."""
        lives = self._database.con.execute(
            "SELECT since, until FROM life WHERE boot = ? ORDER BY id", (self._database.boot,)
        ).fetchall()
        # If the clock was set back meanwhile, the gap must not be negative.
        self.gaps = tuple(
            (min(until, since) / 1000, since / 1000) for (_, until), (since, _) in itertools.pairwise(lives)
        )
        return float(lives[0][0] / 1000)

    def _rescue(self, error: sqlite3.Error | OSError) -> None:
        """Continue without the file that failed.  A ledger in memory cannot fail that way."""
        assert not self.in_memory, error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED or isinstance(error, sqlite3.NotSupportedError):
            log.warning(
                "the ledger cannot be read and is put aside: who wrote what before this is not known",
                aside=to_text(LEDGER + ASIDE),
                error=failure_to_text(error),
            )
            try:
                self._database.put_aside()
                self._look_around()
            except (sqlite3.DatabaseError, OSError) as next_error:
                error = next_error
            else:
                self.since = self._since()
                return
        log.warning(
            "the ledger cannot be written and goes on in memory: after a restart writers are not known",
            error=failure_to_text(error),
        )
        self._database.go_on_in_memory()
        self._look_around()

    def _safely(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                self._rescue(error)
                return work()

    # Writing

    def write(self, batch: Batch) -> None:
        """Store a batch of writes."""
        self._safely(lambda: self._write(batch))

    def drop(self, root_id: int, inodes: Iterable[int]) -> None:
        """Forget these inodes, because they are as in the blank, or gone."""
        gone = list(inodes)
        if gone:
            self._safely(lambda: self._drop(root_id, gone))

    def tidy(self) -> None:
        """Delete boots that are too old or too many."""
        self._safely(self._retire)

    def give_back(self) -> None:
        """Give the memory of the database's cache back, which a storm has filled."""
        self._safely(lambda: self._database.con.execute("PRAGMA shrink_memory").close())

    def close(self) -> None:
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._touch()
            self._database.close()

    def _drop(self, root_id: int, inodes: list[int]) -> None:
        with self._database.transaction():
            self._database.con.executemany(
                "DELETE FROM seen WHERE boot = ? AND root = ? AND inode = ?",
                [(self._database.boot, root_id, inode) for inode in inodes],
            )

    def _touch(self) -> None:
        self._database.con.execute(
            "UPDATE life SET until = ? WHERE id = ?", (to_ms(self._clock()), self._database.life)
        )

    def _write(self, batch: Batch) -> None:
        with self._database.transaction():
            for root_id, inodes in batch.items():
                self._put(root_id, inodes)
            self._touch()
        self._rows += sum(map(len, batch.values()))
        if self._rows > self._row_limit:
            self._shrink()
        if self._database.bytes() > self._byte_limit:
            self._retire()
            if self._database.bytes() > self._byte_limit:  # few rows, of programs with long paths
                self._shrink_to(self._rows // 2)
        if self._origins.new > self._row_limit:
            limits.forget_origins(self._database)
            self._look_around()

    def _shrink(self) -> None:
        self._rows = self._database.count("seen")
        if self._rows > self._row_limit:
            self.forgotten += limits.shrink(self._database, self._row_limit)
            self._look_around()

    def _shrink_to(self, most: int) -> None:
        self.forgotten += limits.shrink(self._database, most)
        limits.forget_origins(self._database)
        self._look_around()

    def _retire(self) -> None:
        if limits.retire(self._database, self._boots, self._byte_limit):
            self._look_around()

    def _put(self, root_id: int, inodes: Mapping[int, Noted]) -> None:
        runs = _runs(inodes)
        numbers = [self._origins.number(noted.origin) for noted in runs]
        company: dict[tuple[int, int], int] = {}
        for (noted, members), origin in zip(runs.items(), numbers, strict=True):
            # Unknown processes may be any: a crowd of them would make the writer of the directory unknown.
            if noted.directory and noted.origin is not None and noted.origin.comm:
                key = noted.directory, origin
                company[key] = company.get(key, 0) + len(members)
        for (directory, origin), count in company.items():
            if count >= CROWD and origin not in self._crowds.get((root_id, directory), ()):
                self._gather(root_id, directory, origin)
        single: list[tuple[int | str | bool, ...]] = []
        several: list[tuple[int | str | bool, ...]] = []
        crowds: dict[tuple[int, int], list[tuple[Noted, int]]] = {}
        for (noted, members), origin in zip(runs.items(), numbers, strict=True):
            if noted.directory and origin in self._crowds.get((root_id, noted.directory), ()):
                crowds.setdefault((noted.directory, origin), []).append((noted, len(members)))
                continue
            pid, known = (noted.origin.pid, bool(noted.origin.comm)) if noted.origin else (0, False)
            times = to_ms(noted.first), to_ms(noted.last)
            head, tail = (self._database.boot, root_id), (noted.directory, origin, pid, *times, known)
            if len(members) < RUN:
                single += [(*head, inode, *tail) for inode in members]
                continue
            pieces = (members[at : at + PIECE] for at in range(0, len(members), PIECE))
            several += [(*head, str(piece), *tail) for piece in pieces]
        self._database.con.executemany(_PUT, single)
        self._database.con.executemany(_PUT_SEVERAL, several)
        for (directory, origin), parts in crowds.items():
            latest = parts[-1][0].origin
            pid = latest.pid if latest else 0
            count = sum(files for noted, files in parts if noted.named)
            first = to_ms(min(noted.first for noted, _ in parts))
            last = to_ms(max(noted.last for noted, _ in parts))
            crowd = (self._database.boot, root_id, directory, origin, pid, count, first, last)
            self._database.con.execute(PUT_CROWD, crowd)

    def _gather(self, root_id: int, directory: int, origin: int) -> None:
        """Make one row of what this writer does in the directory from now on, and of what it did before."""
        self._crowds.setdefault((root_id, directory), set()).add(origin)
        where = "FROM seen WHERE boot = ? AND root = ? AND directory = ? AND origin = ?"
        key = self._database.boot, root_id, directory, origin
        run = self._database.con.execute
        count, pid, first, last = run(
            f"SELECT count(*), max(pid), min(first), max(last) {where}", key
        ).fetchone()
        if count:
            run(PUT_CROWD, (*key, pid, count, first, last))
            run(f"DELETE {where}", key)

    # Reading

    def of(self, root_id: int, inode: int) -> Writer | None:
        """Return who wrote to an inode, or None if nobody was seen or known."""
        return self._safely(lambda: self._of(root_id, inode))

    def _of(self, root_id: int, inode: int) -> Writer | None:
        row = self._database.con.execute(
            "SELECT origin, pid, first, last FROM seen WHERE boot = ? AND root = ? AND inode = ?",
            (self._database.boot, root_id, inode),
        ).fetchone()
        return self._origins.writer(*row) if row else None

    def has_crowds(self) -> bool:
        """Return whether any directory is kept as a whole."""
        return bool(self._crowds)

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        """Return who filled a directory that is kept as a whole, or None if there is no such row or there
        were several.
        """
        if (root_id, directory) not in self._crowds:
            return None
        return agreed([crowd.writer for crowd in self.crowds(root_id, directory)])

    def crowds(self, root_id: int, directory: int | None = None) -> list[Crowd]:
        """Return the directories of a subvolume that are kept as a whole; with `directory`, only that one."""
        return self._safely(lambda: self._read_crowds(root_id, directory))

    def _read_crowds(self, root_id: int, directory: int | None) -> list[Crowd]:
        rows = self._database.con.execute(
            "SELECT directory, count, origin, pid, first, last FROM crowd WHERE boot = ?1 AND root = ?2"
            " AND (?3 IS NULL OR directory = ?3)",
            (self._database.boot, root_id, directory),
        ).fetchall()
        return [Crowd(where, count, self._origins.writer(*rest)) for where, count, *rest in rows]

    def pieces(self) -> Iterator[Pieces]:
        """Yield what a `LedgerCopy` in another process needs to answer as this does, a little at a time."""
        return pieces(self._safely, self._database)


def _runs(inodes: Mapping[int, Noted]) -> dict[Noted, list[int]]:
    """Return the inodes by what was noted of them; mostly that is one object for many."""
    runs: dict[Noted, list[int]] = {}
    then, members = None, [0]
    for inode, noted in inodes.items():
        if noted is not then:
            then, members = noted, runs.setdefault(noted, [])
        members.append(inode)
    return runs
