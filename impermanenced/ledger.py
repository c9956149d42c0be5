"""Who wrote what, kept over restarts of the daemon: a SQLite file in the state directory, or memory.

Hard facts

  * In WAL mode with synchronous=NORMAL a transaction is in the page cache when it is committed: whoever
    kills the daemon takes nothing of it away.  A power cut may take the last ones, and leaves the file sound.
  * SQLite makes a full path name of what it opens and keeps -wal beside it: it needs a directory with a name.
  * With locking_mode=EXCLUSIVE nothing is shared in memory, and a second daemon cannot open the file.

The ledger is bounded.  A directory that gets very many files from one writer is one row with a count; when
there are too many rows all the same, directories become one row each, the fullest first; and only then the
rows seen longest ago are forgotten, which is counted.  Of old boots the last ones stay, as long as there is
room.

It never fails: a damaged file is put aside and a new one begun, and where it cannot be written the ledger
goes on in memory.  Both are said once.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from . import logger
from .model import Writer
from .wire import to_text

FILE = b"ledger.sqlite"
ASIDE = b".aside"
VERSION = 1

ROWS = 100_000  # of one boot
BOOTS = 10
BYTES = 64 << 20
CROWD = 128  # files of one writer in one directory within a batch: one row from then on
COMPANY = 8  # files in a directory that become one row when there are too many rows
ORIGINS = 4096  # kept at hand

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_SCHEMA = """
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE);
CREATE TABLE life (id INTEGER PRIMARY KEY, boot INTEGER NOT NULL,
    since INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE origin (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, unit TEXT NOT NULL, exe BLOB NOT NULL,
    comm BLOB NOT NULL, uid INTEGER NOT NULL, UNIQUE (unit, kind, exe, comm, uid));
CREATE TABLE seen (boot INTEGER, root INTEGER, inode INTEGER, directory INTEGER NOT NULL,
    origin INTEGER NOT NULL, pid INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (boot, root, inode)) WITHOUT ROWID;
CREATE TABLE crowd (boot INTEGER, root INTEGER, directory INTEGER, origin INTEGER, pid INTEGER NOT NULL,
    count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (boot, root, directory, origin)) WITHOUT ROWID;
"""

_PUT = """
INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT DO UPDATE SET last = excluded.last,
    directory = CASE WHEN excluded.directory THEN excluded.directory ELSE directory END,
    pid = CASE WHEN ?9 OR origin = 0 THEN excluded.pid ELSE pid END,
    origin = CASE WHEN ?9 OR origin = 0 THEN excluded.origin ELSE origin END
"""

_PUT_CROWD = """
INSERT INTO crowd VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET last = excluded.last, pid = excluded.pid, count = count + excluded.count
"""

T = TypeVar("T")

log = logger.get()


class Origin(NamedTuple):
    """The part of a `Writer` that is the same for everything one process writes."""

    unit: str
    exe: bytes
    comm: bytes
    pid: int
    uid: int | None
    kind: str = ""


class Noted(NamedTuple):
    """What a batch says of one inode."""

    origin: Origin | None  # None: nobody can say
    directory: int  # it was last written to by way of; 0: not known
    named: bool  # a name for it came, went or moved
    first: float
    last: float


Batch = Mapping[int, Mapping[int, Noted]]  # by subvolume, by inode


class Crowd(NamedTuple):
    """What many files of one writer in one directory came to."""

    directory: int
    files: int
    writer: Writer | None


class Ledger:
    """Any thread may call.  `directory` is where the file lies, None: in memory from the start.

    `inside` calls what opens, moves and closes files, where the directory has that name.
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
        inside: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> None:
        self.forgotten = 0
        self.gaps: tuple[tuple[float, float], ...] = ()  # of this boot: when nobody watched
        self._path = None if directory is None else os.path.join(directory, FILE)
        self._inside = inside
        self._boot_id = boot_id
        self._clock = clock
        self._row_limit, self._byte_limit, self._boots = rows, size, boots
        self._lock = threading.RLock()
        self._ids: dict[Origin, int] = {}
        self._origins: dict[int, Origin] = {}
        self._crowds: dict[tuple[int, int], set[int]] = {}  # origins by (subvolume, directory)
        self._began = clock()
        try:
            self._begin()
        except (sqlite3.DatabaseError, OSError) as error:
            self._rescue(error)
        self.since = self._since()

    @property
    def in_memory(self) -> bool:
        return self._path is None

    # Opening, and what to do when that fails

    def _begin(self) -> None:
        if self._path is None:
            self._open()
        else:
            self._inside(self._open)

    def _open(self) -> None:
        if self._path is not None:
            # Made here, for its mode; and whatever is no plain file is refused.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        name = ":memory:" if self._path is None else os.fsdecode(self._path)
        self._con = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._con.close()
            raise

    def _prepare(self) -> None:
        run = self._con.execute
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "journal_size_limit = 4194304",
            "cache_size = -2048",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            run(f"PRAGMA {pragma}")
        with self._transaction():
            (version,) = run("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.NotSupportedError(f"it is of version {version}, not {VERSION}")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    run(statement)
                run(f"PRAGMA user_version = {VERSION}")
            run("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (self._boot_id,))
            (self._boot,) = run("SELECT id FROM boot WHERE boot_id = ?", (self._boot_id,)).fetchone()
            began = _to_ms(self._began)
            run("INSERT INTO life (boot, since, until) VALUES (?, ?, ?)", (self._boot, began, began))
        self._look_around()

    def _look_around(self) -> None:
        """What is kept at hand of what the database holds."""
        self._ids.clear()
        self._origins.clear()
        self._new_origins = 0
        self._crowds = {}
        for root_id, directory, origin in self._con.execute(
            "SELECT root, directory, origin FROM crowd WHERE boot = ?", (self._boot,)
        ):
            self._crowds.setdefault((root_id, directory), set()).add(origin)
        self._rows = self._count("seen")
        (self._life,) = self._con.execute("SELECT max(id) FROM life").fetchone()

    def _count(self, table: str) -> int:
        (count,) = self._con.execute(f"SELECT count(*) FROM {table} WHERE boot = ?", (self._boot,)).fetchone()
        return int(count)

    def _since(self) -> float:
        """When the first life of this boot began; sets the gaps between that one and this."""
        lives = self._con.execute(
            "SELECT since, until FROM life WHERE boot = ? ORDER BY id", (self._boot,)
        ).fetchall()
        # A clock that was set back meanwhile leaves no gap of less than nothing.
        self.gaps = tuple(
            (min(until, since) / 1000, since / 1000)
            for (_, until), (since, _) in itertools.pairwise(lives)
        )
        return float(lives[0][0] / 1000)

    def _rescue(self, error: sqlite3.Error | OSError) -> None:
        """Go on without what went wrong.  In memory nothing can."""
        path = self._path
        assert path is not None, error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED or isinstance(error, sqlite3.NotSupportedError):
            log.warning(
                "the ledger cannot be read and is put aside: who wrote what before this is not known",
                aside=to_text(FILE + ASIDE),
                error=str(error),
            )
            try:
                self._inside(lambda: self._put_aside(path))
                self._begin()
            except (sqlite3.DatabaseError, OSError) as next_error:
                error = next_error
            else:
                self.since = self._since()
                return
        log.warning(
            "the ledger cannot be written and goes on in memory: after a restart writers are not known",
            error=str(error),
        )
        rows = self._saved_rows()
        self._path = None
        self._begin()
        self._restore_rows(rows)

    def _put_aside(self, path: bytes) -> None:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self._con.close()
        os.replace(path, path + ASIDE)
        for suffix in (b"-wal", b"-shm", b"-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)

    def _saved_rows(self) -> dict[str, list[tuple[object, ...]]]:
        """What can still be read of this boot, when the file is given up."""
        saved: dict[str, list[tuple[object, ...]]] = {}
        with contextlib.suppress(AttributeError, sqlite3.Error):
            saved["origin"] = self._con.execute("SELECT * FROM origin").fetchall()
            for table in ("life", "seen", "crowd"):
                saved[table] = self._con.execute(
                    f"SELECT * FROM {table} WHERE boot = ?", (self._boot,)
                ).fetchall()
        with contextlib.suppress(AttributeError, sqlite3.Error, OSError):
            self._inside(self._con.close)
        return saved

    def _restore_rows(self, saved: Mapping[str, list[tuple[object, ...]]]) -> None:
        if not saved.get("life"):
            return
        with self._transaction():
            self._con.execute("DELETE FROM life")
            for table, rows in saved.items():
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self._con.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
                if table != "origin":
                    self._con.execute(f"UPDATE {table} SET boot = ?", (self._boot,))
        self._look_around()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._con.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._con.execute("COMMIT")
        except BaseException:
            if self._con.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._con.execute("ROLLBACK")
            raise

    def _safely(self, work: Callable[[], T]) -> T:
        with self._lock:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                self._rescue(error)
                return work()

    # Writing

    def write(self, batch: Batch) -> None:
        self._safely(lambda: self._write(batch))

    def drop(self, root_id: int, inodes: Iterable[int]) -> None:
        """These are as in the blank, or gone: there is nothing that anybody wrote."""
        gone = list(inodes)
        if gone:
            self._safely(lambda: self._drop(root_id, gone))

    def tidy(self) -> None:
        """Let go of boots that nobody will ask for."""
        self._safely(self._retire)

    def close(self) -> None:
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._touch()
            if self._path is None:
                self._con.close()
            else:
                self._inside(self._con.close)

    def _drop(self, root_id: int, inodes: list[int]) -> None:
        with self._transaction():
            self._con.executemany(
                "DELETE FROM seen WHERE boot = ? AND root = ? AND inode = ?",
                [(self._boot, root_id, inode) for inode in inodes],
            )

    def _touch(self) -> None:
        self._con.execute("UPDATE life SET until = ? WHERE id = ?", (_to_ms(self._clock()), self._life))

    def _write(self, batch: Batch) -> None:
        with self._transaction():
            for root_id, inodes in batch.items():
                self._put(root_id, inodes)
            self._touch()
        self._rows += sum(map(len, batch.values()))
        if self._rows > self._row_limit:
            self._shrink()
        if self._bytes() > self._byte_limit:
            self._retire()
        if self._new_origins > self._row_limit:
            self._forget_origins()

    def _put(self, root_id: int, inodes: Mapping[int, Noted]) -> None:
        found = []
        then, origin = None, 0
        for inode, noted in inodes.items():
            if noted.origin is not then:
                then, origin = noted.origin, self._id(noted.origin)
            found.append((inode, noted, origin))
        company: dict[tuple[int, int], int] = {}
        for _, noted, origin in found:
            if noted.directory:
                key = noted.directory, origin
                company[key] = company.get(key, 0) + 1
        for (directory, origin), count in company.items():
            if count >= CROWD and origin not in self._crowds.get((root_id, directory), ()):
                self._gather(root_id, directory, origin)
        crowds = self._crowds
        rows: list[tuple[int | bool, ...]] = []
        many: dict[tuple[int, int], list[Noted]] = {}
        for inode, noted, origin in found:
            if noted.directory and origin in crowds.get((root_id, noted.directory), ()):
                many.setdefault((noted.directory, origin), []).append(noted)
            else:
                pid, known = (noted.origin.pid, bool(noted.origin.comm)) if noted.origin else (0, False)
                times = _to_ms(noted.first), _to_ms(noted.last)
                rows.append((self._boot, root_id, inode, noted.directory, origin, pid, *times, known))
        self._con.executemany(_PUT, rows)
        for (directory, origin), members in many.items():
            pid = members[-1].origin.pid if members[-1].origin else 0
            count = sum(noted.named for noted in members)
            first = _to_ms(min(noted.first for noted in members))
            last = _to_ms(max(noted.last for noted in members))
            self._con.execute(
                _PUT_CROWD, (self._boot, root_id, directory, origin, pid, count, first, last)
            )

    def _gather(self, root_id: int, directory: int, origin: int) -> None:
        """From now on what this writer does in the directory is one row; so is what it did before."""
        self._crowds.setdefault((root_id, directory), set()).add(origin)
        where = "FROM seen WHERE boot = ? AND root = ? AND directory = ? AND origin = ?"
        key = self._boot, root_id, directory, origin
        count, pid, first, last = self._con.execute(
            f"SELECT count(*), max(pid), min(first), max(last) {where}", key
        ).fetchone()
        if count:
            self._con.execute(_PUT_CROWD, (*key, pid, count, first, last))
            self._con.execute(f"DELETE {where}", key)

    def _id(self, origin: Origin | None) -> int:
        if origin is None:
            return 0
        origin = origin._replace(pid=0)
        known = self._ids.get(origin)
        if known is None:
            values = _columns(origin)
            self._con.execute(
                "INSERT OR IGNORE INTO origin (kind, unit, exe, comm, uid) VALUES (?, ?, ?, ?, ?)", values
            )
            (known,) = self._con.execute(
                "SELECT id FROM origin WHERE kind = ? AND unit = ? AND exe = ? AND comm = ? AND uid = ?",
                values,
            ).fetchone()
            if len(self._ids) >= ORIGINS:
                self._ids.clear()
            self._ids[origin] = known
            self._new_origins += 1
        return int(known)

    # Bounds

    def _bytes(self) -> int:
        pages, free, size = (
            self._con.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _shrink(self) -> None:
        """Fewer rows of this boot: full directories become one each, then the oldest are forgotten."""
        self._rows = self._count("seen")
        if self._rows <= self._row_limit:
            return
        with self._transaction():
            groups = self._con.execute(
                "SELECT root, directory, origin, count(*), max(pid), min(first), max(last) FROM seen"
                " WHERE boot = ? AND directory != 0 GROUP BY root, directory, origin HAVING count(*) >= ?"
                " ORDER BY count(*) DESC",
                (self._boot, COMPANY),
            ).fetchall()
            wanted = self._rows - self._row_limit * 9 // 10
            self._con.execute("CREATE TEMP TABLE full (root, directory, origin)")
            for root_id, directory, origin, number, pid, first, last in groups:
                if wanted <= 0:
                    break
                wanted -= number
                self._con.execute("INSERT INTO full VALUES (?, ?, ?)", (root_id, directory, origin))
                self._con.execute(
                    _PUT_CROWD, (self._boot, root_id, directory, origin, pid, number, first, last)
                )
            self._con.execute(
                "DELETE FROM seen WHERE boot = ? AND (root, directory, origin) IN (SELECT * FROM full)",
                (self._boot,),
            )
            self._con.execute("DROP TABLE full")
            if wanted > 0:
                self._con.execute(
                    "DELETE FROM seen WHERE boot = ?1 AND (root, inode) IN"
                    " (SELECT root, inode FROM seen WHERE boot = ?1 ORDER BY last LIMIT ?2)",
                    (self._boot, wanted),
                )
                self.forgotten += wanted
            self._forget_crowds()
        self._look_around()

    def _forget_crowds(self) -> None:
        """A program that fills very many directories must not fill the ledger with them."""
        most = self._row_limit // COMPANY
        extra = self._count("crowd") - most * 9 // 10
        if extra > most // 10:
            self._con.execute(
                "DELETE FROM crowd WHERE boot = ?1 AND (root, directory, origin) IN"
                " (SELECT root, directory, origin FROM crowd WHERE boot = ?1 ORDER BY last LIMIT ?2)",
                (self._boot, extra),
            )
            self.forgotten += extra

    def _forget_origins(self) -> None:
        """Those of whom nothing is known any more."""
        with self._transaction():
            self._con.execute(
                "DELETE FROM origin WHERE id NOT IN (SELECT origin FROM seen UNION SELECT origin FROM crowd)"
            )
        self._look_around()

    def _retire(self) -> None:
        """The oldest boots, until few enough are left and there is room; then what only they spoke of."""
        boots = [
            number
            for (number,) in self._con.execute("SELECT id FROM boot WHERE id != ? ORDER BY id", (self._boot,))
        ]
        gone = False
        while boots and (len(boots) >= self._boots or self._bytes() > self._byte_limit):
            oldest = boots.pop(0)
            gone = True
            with self._transaction():
                for table in ("seen", "crowd", "life"):
                    self._con.execute(f"DELETE FROM {table} WHERE boot = ?", (oldest,))
                self._con.execute("DELETE FROM boot WHERE id = ?", (oldest,))
        if gone:
            self._forget_origins()
            self._con.execute("PRAGMA incremental_vacuum").fetchall()

    # Reading

    def of(self, root_id: int, inode: int) -> Writer | None:
        """None where nothing was seen, or nobody could say who it was."""
        return self._safely(lambda: self._of(root_id, inode))

    def _of(self, root_id: int, inode: int) -> Writer | None:
        row = self._con.execute(
            "SELECT origin, pid, first, last FROM seen WHERE boot = ? AND root = ? AND inode = ?",
            (self._boot, root_id, inode),
        ).fetchone()
        return self._writer(*row) if row else None

    def has_crowds(self) -> bool:
        return bool(self._crowds)

    def of_crowd(self, root_id: int, directory: int) -> Writer | None:
        """Who filled a directory with more files than are remembered; None where that were several."""
        if (root_id, directory) not in self._crowds:
            return None
        found = self.crowds(root_id, directory)
        return found[0].writer if len(found) == 1 else None

    def crowds(self, root_id: int, directory: int | None = None) -> list[Crowd]:
        return self._safely(lambda: self._read_crowds(root_id, directory))

    def _read_crowds(self, root_id: int, directory: int | None) -> list[Crowd]:
        rows = self._con.execute(
            "SELECT directory, count, origin, pid, first, last FROM crowd WHERE boot = ?1 AND root = ?2"
            " AND (?3 IS NULL OR directory = ?3)",
            (self._boot, root_id, directory),
        ).fetchall()
        return [Crowd(where, count, self._writer(*rest)) for where, count, *rest in rows]

    def _writer(self, number: int, pid: int, first: int, last: int) -> Writer | None:
        if number == 0:
            return None
        origin = self._origins.get(number)
        if origin is None:
            row = self._con.execute(
                "SELECT unit, exe, comm, 0, uid, kind FROM origin WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                return None
            origin = Origin(*row)
            origin = origin._replace(uid=None) if origin.uid == -1 else origin
            if len(self._origins) >= ORIGINS:
                self._origins.clear()
            self._origins[number] = origin
        unit, exe, comm, _, uid, kind = origin
        return Writer(unit, exe, comm, pid, uid, first / 1000, last / 1000, kind)


def _to_ms(seconds: float) -> int:
    return round(seconds * 1000)


def _columns(origin: Origin) -> tuple[str, str, bytes, bytes, int]:
    return origin.kind, origin.unit, origin.exe, origin.comm, -1 if origin.uid is None else origin.uid
