"""The limits of the ledger: what it forgets so that it stays small."""

from __future__ import annotations

from .database import Database

COMPANY = 8  # files in a directory from which on they become one row when there are too many rows

PUT_CROWD = """
INSERT INTO crowd VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET last = excluded.last, pid = excluded.pid, count = count + excluded.count
"""


def shrink(database: Database, most: int) -> int:
    """Reduce the rows of this boot, and return how many had to be forgotten.

    Full directories become one row each; if that is not enough, the oldest rows are deleted.
    """
    with database.transaction():
        wanted = _gather(database, database.count("seen") - most * 9 // 10)
        if wanted > 0:
            database.con.execute(
                "DELETE FROM seen WHERE boot = ?1 AND (root, inode) IN"
                " (SELECT root, inode FROM seen WHERE boot = ?1 ORDER BY last LIMIT ?2)",
                (database.boot, wanted),
            )
        return max(wanted, 0) + _forget_crowds(database, most // COMPANY)


def _gather(database: Database, wanted: int) -> int:
    """Make one row of each directory, the fullest first, and return how many rows are too many after that."""
    run = database.con.execute
    groups = run(
        "SELECT root, directory, origin, count(*), max(pid), min(first), max(last) FROM seen"
        " WHERE boot = ? AND directory != 0 GROUP BY root, directory, origin HAVING count(*) >= ?"
        " ORDER BY count(*) DESC",
        (database.boot, COMPANY),
    ).fetchall()
    run("CREATE TEMP TABLE full (root, directory, origin)")
    for root_id, directory, origin, number, pid, first, last in groups:
        if wanted <= 0:
            break
        wanted -= number
        run("INSERT INTO full VALUES (?, ?, ?)", (root_id, directory, origin))
        run(PUT_CROWD, (database.boot, root_id, directory, origin, pid, number, first, last))
    run(
        "DELETE FROM seen WHERE boot = ? AND (root, directory, origin) IN (SELECT * FROM full)",
        (database.boot,),
    )
    run("DROP TABLE full")
    return wanted


def _forget_crowds(database: Database, most: int) -> int:
    """Delete the oldest directories and return how many, so that a program that fills very many cannot fill
    the ledger.
    """
    extra = database.count("crowd") - most * 9 // 10
    if extra <= most // 10:
        return 0
    database.con.execute(
        "DELETE FROM crowd WHERE boot = ?1 AND (root, directory, origin) IN"
        " (SELECT root, directory, origin FROM crowd WHERE boot = ?1 ORDER BY last LIMIT ?2)",
        (database.boot, extra),
    )
    return extra


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
