"""The ledger on files that a broken disk, or somebody with time, has made of its own."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from impermanenced.watch.ledger import Ledger, LedgerCopy

from ..unit.test_ledger import ONE, TWO, noted, open_ledger
from .rounds import TIMES, chance, mutated

FILES = 80
STATEMENTS = 120
TABLES = {
    "boot": ("id", "boot_id"),
    "life": ("id", "boot", "since", "until"),
    "origin": ("id", "kind", "unit", "exe", "comm", "uid"),
    "seen": ("boot", "root", "inode", "directory", "origin", "pid", "first", "last"),
    "crowd": ("boot", "root", "directory", "origin", "pid", "count", "first", "last"),
}
VALUES = (
    "'text'", "x'ff00'", "CAST(x'ff' AS TEXT)", "1e308", "-1", "9223372036854775807", "-9223372036854775808",
    "''", "zeroblob(100000)", "0.5", "NULL", "9e999",
)  # fmt: skip


def filled(directory: Path) -> bytes:
    """The bytes of a ledger with rows in each of its tables."""
    ledger = open_ledger(directory)
    ledger.write({256: {inode: noted(ONE if inode % 2 else TWO, inode % 5) for inode in range(2, 60)}})
    ledger.write({257: {inode: noted(ONE, 9) for inode in range(2, 300)}})
    ledger.close()
    again = open_ledger(directory, now=200.0)
    again.write({256: {5: noted(TWO)}})
    again.close()
    return (directory / "ledger.sqlite").read_bytes()


def use(directory: Path) -> None:
    """Do with a ledger what the daemon does; nothing of it may raise."""
    ledger = open_ledger(directory, now=300.0)
    ledger.write({256: {7: noted(TWO), 8: noted(None)}, 257: {inode: noted(ONE, 9) for inode in range(400)}})
    for root, inode in ((256, 5), (256, 7), (257, 9), (300, 1)):
        ledger.of(root, inode)
    copy = LedgerCopy(ledger.since, ledger.gaps, 0, 0)
    copy.add(ledger.pieces())
    copy.of(256, 5)
    ledger.drop(256, [5, 6, 7])
    ledger.tidy()
    assert ledger.since >= 0 or ledger.gaps is not None
    ledger.close()


def prepared(directory: Path, content: bytes) -> Path:
    for name in os.listdir(directory):
        os.unlink(directory / name)
    (directory / "ledger.sqlite").write_bytes(content)
    return directory


def test_no_bytes_of_a_file_stop_the_ledger(tmp_path: Path) -> None:
    draw = chance("ledger")
    content = filled(tmp_path)
    for _ in range(FILES * TIMES):
        changed = mutated(draw, content, 40)
        use(prepared(tmp_path, changed))


def test_no_values_in_a_sound_file_stop_the_ledger(tmp_path: Path) -> None:
    draw = chance("values")
    content = filled(tmp_path)
    for _ in range(STATEMENTS * TIMES):
        prepared(tmp_path, content)
        con = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        for _ in range(draw.randint(1, 4)):
            table = draw.choice(list(TABLES))
            column, value = draw.choice(TABLES[table]), draw.choice(VALUES)
            where = draw.choice(("", " WHERE rowid = 1" if table in ("boot", "life", "origin") else ""))
            try:
                con.execute(f"UPDATE OR IGNORE {table} SET {column} = {value}{where}")
            except sqlite3.Error:  # a constraint; the next may pass
                continue
        con.close()
        use(tmp_path)


def test_a_ledger_that_is_sound_is_used(tmp_path: Path) -> None:
    """What the fuzzers do with a file, they do with one that the ledger takes."""
    use(prepared(tmp_path, filled(tmp_path)))
    assert not (tmp_path / "ledger.sqlite.aside").exists()
    ledger: Ledger = open_ledger(tmp_path, now=400.0)
    assert not ledger.in_memory and len(ledger.gaps) == 3
    ledger.close()
