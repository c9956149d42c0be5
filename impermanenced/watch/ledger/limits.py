"""The limits of the ledger: what it forgets so that it stays small."""

from __future__ import annotations

from ..owners import UNKNOWN, excess, owner_of
from .database import Database

COMPANY = 8  # files in a directory from which on they become one row when there are too many rows

PUT_CROWD = """
INSERT INTO crowd VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET last = excluded.last, pid = excluded.pid, count = count + excluded.count
"""


def shrink(database: Database, most: int) -> int:
    """Reduce the rows of this boot, and return how many had to be forgotten.

    Who crowds the ledger pays for it: each owner keeps a share, and who has less than that keeps everything.
    Of an owner with too many, full directories become one row each, until half of all room is free, because
    that loses little and takes as long for few rows as for many; if it is not enough, the oldest rows are
    deleted, until a tenth is.
    """
    forgotten = 0
    with database.transaction():
        _note_owners(database)
        counts = _counts(database, "seen")
        ample = excess(counts, most // 2)
        for owner, extra in excess(counts, most * 9 // 10).items():
            if (left := extra - _gather(database, owner, ample[owner])) > 0:
                forgotten += _delete_oldest(database, "seen", "root, inode", owner, left)
        room = most // COMPANY
        if database.count("crowd") > room:
            for owner, extra in excess(_counts(database, "crowd"), room * 9 // 10).items():
                forgotten += _delete_oldest(database, "crowd", "root, directory, origin", owner, extra)
        database.con.execute("DROP TABLE owner")
    return forgotten


def _note_owners(database: Database) -> None:
    """Make a table of the owner of each program."""
    run = database.con.execute
    run("CREATE TEMP TABLE owner (origin INTEGER PRIMARY KEY, owner INTEGER)")
    uids = run("SELECT id, uid FROM origin").fetchall()
    owners = [(number, owner_of(uid)) for number, uid in uids]
    database.con.executemany("INSERT INTO owner VALUES (?, ?)", [(0, UNKNOWN), *owners])


def _counts(database: Database, table: str) -> dict[int, int]:
    """Return {owner: rows of this boot}."""
    return dict(
        database.con.execute(
            f"SELECT owner, count(*) FROM {table} JOIN owner USING (origin) WHERE boot = ? GROUP BY owner",
            (database.boot,),
        ).fetchall()
    )


def _delete_oldest(database: Database, table: str, key: str, owner: int, count: int) -> int:
    """Delete so many rows of an owner, those that were seen longest ago, and return how many that were."""
    database.con.execute(
        f"DELETE FROM {table} WHERE boot = ?1 AND ({key}) IN (SELECT {key} FROM {table}"
        " JOIN owner USING (origin) WHERE boot = ?1 AND owner = ?2 ORDER BY last LIMIT ?3)",
        (database.boot, owner, count),
    )
    return count


def _gather(database: Database, owner: int, wanted: int) -> int:
    """Make one row of each directory of an owner, the fullest first, until so many rows are gone, and return
    how many these were.
    """
    run = database.con.execute
    groups = run(
        "SELECT root, directory, origin, count(*), max(pid), min(first), max(last) FROM seen"
        " JOIN owner USING (origin) WHERE boot = ? AND owner = ? AND directory != 0"
        " GROUP BY root, directory, origin HAVING count(*) >= ? ORDER BY count(*) DESC",
        (database.boot, owner, COMPANY),
    ).fetchall()
    run("CREATE TEMP TABLE full (root, directory, origin)")
    gathered = 0
    for root_id, directory, origin, number, pid, first, last in groups:
        if gathered >= wanted:
            break
        gathered += number
        run("INSERT INTO full VALUES (?, ?, ?)", (root_id, directory, origin))
        run(PUT_CROWD, (database.boot, root_id, directory, origin, pid, number, first, last))
    run(
        "DELETE FROM seen WHERE boot = ? AND (root, directory, origin) IN (SELECT * FROM full)",
        (database.boot,),
    )
    run("DROP TABLE full")
    return gathered


def forget_origins(database: Database) -> None:
    """Delete the programs that no row refers to any more."""
    with database.transaction():
        database.con.execute(
            "DELETE FROM origin WHERE id NOT IN (SELECT origin FROM seen UNION SELECT origin FROM crowd)"
        )


def retire(database: Database, most: int, size: int) -> bool:
    """Delete the oldest boots until few enough are left and there is room; return whether any was deleted."""
    run = database.con.execute
    boots = [number for (number,) in run("SELECT id FROM boot WHERE id != ? ORDER BY id", (database.boot,))]
    gone = False
    while boots and (len(boots) >= most or database.bytes() > size):
        oldest = boots.pop(0)
        gone = True
        with database.transaction():
            for table in ("seen", "crowd", "life"):
                run(f"DELETE FROM {table} WHERE boot = ?", (oldest,))
            run("DELETE FROM boot WHERE id = ?", (oldest,))
    if gone:
        forget_origins(database)
        run("PRAGMA incremental_vacuum").fetchall()
    return gone
