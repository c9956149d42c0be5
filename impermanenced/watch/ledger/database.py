"""The ledger's file: opened, put aside when it is damaged, left for memory when it cannot be written.

Hard facts

  * In WAL mode with synchronous=NORMAL a transaction is in the page cache when it is committed: whoever
    kills the daemon takes nothing of it away.  A power cut may take the last ones, and leaves the file sound.
  * SQLite makes a full path name of what it opens and keeps -wal beside it: it needs a directory with a name.
  * With locking_mode=EXCLUSIVE nothing is shared in memory, and a second daemon cannot open the file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping

from .rows import to_ms

ASIDE = b".aside"
VERSION = 1

_PRAGMAS = (
    "locking_mode = EXCLUSIVE",
    "auto_vacuum = INCREMENTAL",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "journal_size_limit = 4194304",
    "cache_size = -1024",
    "temp_store = MEMORY",
    "trusted_schema = OFF",
)

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

# SQLite keeps in a column whatever is written there, and what is read is used as it is.
_NUMBER = "typeof({0}) = 'integer' AND {0} BETWEEN {1} AND 9007199254740991"
_TYPES: Mapping[str, Mapping[str, str]] = {
    "life": dict.fromkeys(("id", "since", "until"), "number"),
    "seen": dict.fromkeys(("root", "inode", "directory", "origin", "pid", "first", "last"), "number"),
    "crowd": dict.fromkeys(("root", "directory", "origin", "pid", "count", "first", "last"), "number"),
    "origin": {"id": "number", "kind": "text", "unit": "text", "exe": "blob", "comm": "blob", "uid": "uid"},
}

Inside = Callable[[Callable[[], None]], None]
Rows = Mapping[str, list[tuple[object, ...]]]  # by table


class Database:
    """The database, with the numbers of this boot and of this life of the daemon.

    `path` is None for a database in memory; `inside` calls what opens, moves and closes files.
    """

    con: sqlite3.Connection
    boot: int  # the numbers of this boot and this life
    life: int

    def __init__(self, path: bytes | None, inside: Inside, boot_id: str, began: float) -> None:
        self.path = path
        self._inside = inside
        self._boot_id = boot_id
        self._began = began

    def open(self) -> None:
        """Open the database or create it, and begin this life.  Raises sqlite3.DatabaseError and OSError."""
        if self.path is None:
            self._open()
        else:
            self._inside(self._open)

    def _open(self) -> None:
        if self.path is not None:
            # The file is created here to give it its mode, and so that a symbolic link is refused.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        name = ":memory:" if self.path is None else os.fsdecode(self.path)
        self.con = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
        self.con.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            self._prepare()
        except BaseException:
            self.con.close()
            raise

    def _prepare(self) -> None:
        run = self.con.execute
        for pragma in _PRAGMAS:
            run(f"PRAGMA {pragma}")
        with self.transaction():
            (version,) = run("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.NotSupportedError(f"it is of version {version}, not {VERSION}")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    run(statement)
                run(f"PRAGMA user_version = {VERSION}")
            run("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (self._boot_id,))
            (self.boot,) = run("SELECT id FROM boot WHERE boot_id = ?", (self._boot_id,)).fetchone()
            began = to_ms(self._began)
            run("INSERT INTO life (boot, since, until) VALUES (?, ?, ?)", (self.boot, began, began))
        self._check_values()
        self._find_life()

    def _check_values(self) -> None:
        """Raise DatabaseError as for a damaged file if a value of this boot is not what its column is for."""
        for table, columns in _TYPES.items():
            sound = " AND ".join(_condition(column, kind) for column, kind in columns.items())
            where = "" if table == "origin" else f"boot = {self.boot} AND "
            query = f"SELECT count(*) FROM {table} WHERE {where}NOT ({sound})"
            if self.con.execute(query).fetchone()[0]:
                error = sqlite3.DatabaseError(f"a value in the table {table} is of another type or range")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error

    def _find_life(self) -> None:
        (self.life,) = self.con.execute("SELECT max(id) FROM life").fetchone()

    def close(self) -> None:
        if self.path is None:
            self.con.close()
        else:
            self._inside(self.con.close)

    def put_aside(self) -> None:
        """Rename the file and begin a new one.  Raises sqlite3.DatabaseError and OSError."""
        path = self.path
        assert path is not None
        self._inside(lambda: self._move(path))
        self.open()

    def _move(self, path: bytes) -> None:
        with contextlib.suppress(AttributeError, sqlite3.Error):
            self.con.close()
        os.replace(path, path + ASIDE)
        for suffix in (b"-wal", b"-shm", b"-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)

    def go_on_in_memory(self) -> None:
        """Continue in memory, with what can still be read of this boot."""
        rows = self._saved_rows()
        self.path = None
        self.open()
        if rows.get("life"):
            self._restore_rows(rows)

    def _saved_rows(self) -> Rows:
        saved: dict[str, list[tuple[object, ...]]] = {}
        with contextlib.suppress(AttributeError, sqlite3.Error):
            saved["origin"] = self.con.execute("SELECT * FROM origin").fetchall()
            for table in ("life", "seen", "crowd"):
                saved[table] = self.con.execute(
                    f"SELECT * FROM {table} WHERE boot = ?", (self.boot,)
                ).fetchall()
        with contextlib.suppress(AttributeError, sqlite3.Error, OSError):
            self._inside(self.con.close)
        return saved

    def _restore_rows(self, saved: Rows) -> None:
        with self.transaction():
            self.con.execute("DELETE FROM life")
            for table, rows in saved.items():
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self.con.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
                if table != "origin":
                    self.con.execute(f"UPDATE {table} SET boot = ?", (self.boot,))
        self._find_life()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body as one transaction, which is rolled back when the body raises."""
        self.con.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.con.execute("COMMIT")
        except BaseException:
            if self.con.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.con.execute("ROLLBACK")
            raise

    def count(self, table: str) -> int:
        """Return how many rows of this boot a table has."""
        (count,) = self.con.execute(f"SELECT count(*) FROM {table} WHERE boot = ?", (self.boot,)).fetchone()
        return int(count)

    def bytes(self) -> int:
        """Return the size of the database in bytes, without its free pages."""
        pages, free, size = (
            self.con.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _condition(column: str, kind: str) -> str:
    """Return the condition under which a value of this kind is sound."""
    if kind in ("number", "uid"):
        return _NUMBER.format(column, -1 if kind == "uid" else 0)
    return f"typeof({column}) = '{kind}'"
