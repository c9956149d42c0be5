"""The programs in the ledger, and their numbers."""

from __future__ import annotations

from ...model import Writer
from .database import Database
from .rows import Origin

KEPT = 1024  # programs cached by number, and as many by value


class Origins:
    """The programs, each stored once and cached in both directions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[Origin, int] = {}
        self._origins: dict[int, Origin] = {}
        self.new = 0  # about how many were stored since `forget`

    def forget(self) -> None:
        """Empty the caches."""
        self._ids.clear()
        self._origins.clear()
        self.new = 0

    def number(self, origin: Origin | None) -> int:
        """Return the number of a program, which is stored if it is new; 0 stands for an unknown one."""
        if origin is None:
            return 0
        origin = origin._replace(pid=0)
        known = self._ids.get(origin)
        if known is None:
            values = _columns(origin)
            run = self._database.con.execute
            run("INSERT OR IGNORE INTO origin (kind, unit, exe, comm, uid) VALUES (?, ?, ?, ?, ?)", values)
            (known,) = run(
                "SELECT id FROM origin WHERE kind = ? AND unit = ? AND exe = ? AND comm = ? AND uid = ?",
                values,
            ).fetchone()
            if len(self._ids) >= KEPT:
                self._ids.clear()
            self._ids[origin] = known
            self.new += 1
        return int(known)

    def writer(self, number: int, pid: int, first: int, last: int) -> Writer | None:
        """Return the writer with this program, pid and times (in milliseconds since 1970), or None if it is
        unknown.
        """
        if number == 0:
            return None
        origin = self._origins.get(number)
        if origin is None:
            row = self._database.con.execute(
                "SELECT unit, exe, comm, 0, uid, kind FROM origin WHERE id = ?", (number,)
            ).fetchone()
            if row is None:
                return None
            origin = Origin(*row)
            origin = origin._replace(uid=None) if origin.uid == -1 else origin
            if len(self._origins) >= KEPT:
                self._origins.clear()
            self._origins[number] = origin
        unit, exe, comm, _, uid, kind = origin
        return Writer(unit, exe, comm, pid, uid, first / 1000, last / 1000, kind)


def _columns(origin: Origin) -> tuple[str, str, bytes, bytes, int]:
    return origin.kind, origin.unit, origin.exe, origin.comm, -1 if origin.uid is None else origin.uid
