"""The ledger of all boots that it still has, read from a copy of its file.

Hard facts

  * The daemon holds the file with locking_mode=EXCLUSIVE: SQLite lets no other process read it.
  * In WAL mode a page reaches the database only after the log has it, and the log begins anew, with another
    salt in its header, only when all of it has been copied.  So a copy of the database, and then of the log,
    is one moment's state if the salt stayed the same meanwhile, whatever was copied in between.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator

from ...model import Writer
from ...state import LEDGER
from .rows import agreed

TRIES = 5
_HEADER = 32  # bytes of the header of a log
LARGEST = 1 << 30  # bytes of a file that is copied: the ledger is bounded far below

_SEEN = """SELECT unit, exe, comm, pid, uid, first, last, kind FROM seen
    JOIN boot ON boot.id = seen.boot JOIN origin ON origin.id = seen.origin
    WHERE boot.boot_id = ? AND root = ? AND inode = ?"""
_CROWD = """SELECT unit, exe, comm, pid, uid, first, last, kind FROM crowd
    JOIN boot ON boot.id = crowd.boot JOIN origin ON origin.id = crowd.origin
    WHERE boot.boot_id = ? AND root = ? AND directory = ?"""


class PastLedger:
    """The writers of past boots.  What cannot be read is not known, and `fault` says why."""

    def __init__(self, con: sqlite3.Connection | None, fault: str | None = None) -> None:
        self._con = con
        self.fault = fault

    def of(self, boot_id: str, root_id: int, inode: int, directory: int) -> Writer | None:
        """Return who wrote to an inode last in this boot, by the subvolume and the directory that it was in;
        None if that is not known.
        """
        if found := self._writers(_SEEN, (boot_id, root_id, inode)):
            return found[0]
        crowd = self._writers(_CROWD, (boot_id, root_id, directory))
        return agreed(crowd) if crowd else None

    def _writers(self, query: str, key: tuple[str, int, int]) -> list[Writer]:
        if self._con is None:
            return []
        try:
            rows = self._con.execute(query, key).fetchall()
        except sqlite3.Error as error:
            self.fault = str(error)
            return []
        return [writer for row in rows if (writer := _writer(row)) is not None]


def _writer(row: tuple[object, ...]) -> Writer | None:
    """Return the writer in a row, or None where a value is not what its column is for."""
    unit, exe, comm, pid, uid, first, last, kind = row
    if not (isinstance(unit, str) and isinstance(kind, str)):
        return None
    if not (isinstance(exe, bytes) and isinstance(comm, bytes)):
        return None
    numbers = [one for one in (pid, uid, first, last) if isinstance(one, int)]
    if len(numbers) != 4 or not all(-1 <= one < 2**53 for one in numbers):
        return None
    number, user, began, ended = numbers
    return Writer(unit, exe, comm, number, None if user == -1 else user, began / 1000, ended / 1000, kind)


@contextlib.contextmanager
def read(state: bytes) -> Iterator[PastLedger]:
    """Open a copy of the ledger in the state directory at this path, for a while."""
    with tempfile.TemporaryDirectory(prefix="impermanence-") as directory:
        path = os.path.join(os.fsencode(directory), LEDGER)
        try:
            _copy(state + b"/" + LEDGER, path)
            con = sqlite3.connect(path, isolation_level=None)
        except FileNotFoundError:
            yield PastLedger(None)
            return
        except (OSError, sqlite3.Error) as error:
            yield PastLedger(None, str(error))
            return
        con.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        with contextlib.closing(con):
            yield PastLedger(con)


def _copy(source: bytes, target: bytes) -> None:
    """Copy the database and its log as they were at one moment.  Raises OSError."""
    for _ in range(TRIES):
        before = _salt(source)
        database, log = _content(source), _content(source + b"-wal", missing=b"")
        if _salt(source) == before == log[:_HEADER] or (not before and not log):
            break
    else:
        raise BlockingIOError(0, "the ledger is being written to all the time")
    for path, content in ((target, database), (target + b"-wal", log)):
        if content:
            with open(path, "xb") as stream:
                stream.write(content)


def _salt(source: bytes) -> bytes:
    return _content(source + b"-wal", _HEADER, missing=b"")


def _content(path: bytes, most: int = LARGEST, *, missing: bytes | None = None) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if missing is None:
            raise
        return missing
    with open(fd, "rb") as stream:
        # A read takes as much memory as it is asked for, before it knows how much there is.
        return stream.read(min(most, os.fstat(fd).st_size))
