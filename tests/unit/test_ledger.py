"""The ledger on real files: what it keeps, what it lets go, and what it does with files that are no good."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import pytest
import structlog

from impermanenced.watch.ledger import Ledger, Noted, Origin, ledger

REPOSITORY = Path(__file__).parents[2]
ONE = Origin("one.service", b"/usr/bin/one", b"one", 10, 0, "system")
TWO = Origin("", b"/usr/bin/two\xff", b"two\n", 11, None, "")


class Clock:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def noted(origin: Origin | None = ONE, directory: int = 9, now: float = 100.0, named: bool = True) -> Noted:
    return Noted(origin, directory, named, now, now)


class Limits(TypedDict, total=False):
    rows: int
    size: int
    boots: int


def open_ledger(directory: Path, boot: str = "this", now: float = 100.0, **limits: Unpack[Limits]) -> Ledger:
    return Ledger(os.fsencode(directory), boot, Clock(now), **limits)


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    first.write({256: {5: noted(), 6: noted(TWO)}, 300: {5: noted(None)}})
    first._clock = Clock(150.0)
    first.close()
    second = open_ledger(tmp_path, now=160.0)
    assert not second.in_memory
    assert (second.since, second.gaps) == (100.0, ((150.0, 160.0),))
    writer = second.of(256, 5)
    assert writer is not None
    assert (writer.unit, writer.kind) == ("one.service", "system")
    assert (writer.exe, writer.pid) == (b"/usr/bin/one", 10)
    other = second.of(256, 6)
    assert other is not None and (other.exe, other.comm, other.uid) == (b"/usr/bin/two\xff", b"two\n", None)
    assert second.of(300, 5) is None, "nobody could say"
    assert second.of(256, 7) is None
    second.close()


@pytest.mark.parametrize("files", [1, ledger.RUN, ledger.PIECE + 1])
def test_many_inodes_are_stored_as_one_is(tmp_path: Path, files: int) -> None:
    """Those that have all the rest in common are stored by one statement."""
    book = open_ledger(tmp_path)
    unknown = ONE._replace(comm=b"", exe=b"", pid=99)

    def write(origin: Origin | None, directory: int, now: float) -> None:
        book.write({256: {2**40 + n: noted(origin, directory, now) for n in range(files)}})

    def writers() -> set[tuple[bytes, int, float, float] | None]:
        found = [book.of(256, 2**40 + n) for n in range(files)]
        return {None if one is None else (one.comm, one.pid, one.first, one.last) for one in found}

    write(None, 0, 1.0)
    assert writers() == {None}
    write(unknown, 0, 2.0)
    assert writers() == {(b"", 99, 1.0, 2.0)}
    write(TWO, 0, 3.0)
    assert writers() == {(TWO.comm, 11, 1.0, 3.0)}
    write(unknown, 0, 4.0)
    assert writers() == {(TWO.comm, 11, 1.0, 4.0)}, "the last one that is known"
    assert book.of(256, 2**40 + files) is None
    book.close()


def test_a_clock_that_was_set_back_leaves_no_gap_of_less_than_nothing(tmp_path: Path) -> None:
    open_ledger(tmp_path, now=1000.0).close()
    again = open_ledger(tmp_path, now=10.0)
    assert (again.since, again.gaps) == (1000.0, ((10.0, 10.0),))
    again.close()


def test_another_boot_knows_nothing_of_this_one(tmp_path: Path) -> None:
    first = open_ledger(tmp_path, "one")
    first.write({256: {5: noted()}})
    first.close()
    second = open_ledger(tmp_path, "two", now=500.0)
    assert second.of(256, 5) is None
    assert (second.since, second.gaps) == (500.0, ())
    second.close()


def test_it_is_roots_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        open_ledger(tmp_path).close()
    finally:
        os.umask(old)
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_kill_takes_nothing_that_was_written(tmp_path: Path) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from impermanenced.watch.ledger import Ledger, Noted, Origin\n"
        "ledger = Ledger(os.fsencode(sys.argv[2]), 'this', lambda: 100.0)\n"
        "one = Origin('one.service', b'/x', b'x', 7, 0, 'system')\n"
        "for batch in range(1000):\n"
        "    ledger.write({256: {n: Noted(one, n, True, 100.0, 100.0)"
        " for n in range(batch * 50, batch * 50 + 50)}})\n"
        "    sys.stdout.write(f'{batch}\\n'); sys.stdout.flush()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, REPOSITORY, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        last = 0
        for line in process.stdout:
            last = int(line)
            if last == 40:
                process.send_signal(signal.SIGKILL)
    assert last >= 40
    again = open_ledger(tmp_path, now=200.0)
    assert all(again.of(256, inode) for inode in range((last + 1) * 50))
    assert again.gaps == ((100.0, 200.0),)
    again.close()


def test_very_many_files_in_one_directory_are_one_row(tmp_path: Path) -> None:
    book = open_ledger(tmp_path)
    book.write({256: {inode: noted() for inode in range(1000, 1500)}})
    for start in range(2000, 1_002_000, 8000):
        book.write({256: {inode: noted(now=start / 1000) for inode in range(start, start + 8000)}})
    book.write({256: {5: noted(TWO)}})
    (crowd,) = book.crowds(256)
    assert (crowd.directory, crowd.files) == (9, 1_000_500)
    assert crowd.writer is not None and crowd.writer.unit == "one.service"
    assert crowd.writer.last == 994.0
    assert book.of(256, 1000) is None and book.of(256, 5000) is None
    assert book.of_crowd(256, 9) == crowd.writer
    assert book.of_crowd(256, 10) is None
    assert book.of(256, 5) is not None, "another writer there is known by itself"
    assert book.forgotten == 0
    book.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as con:
        assert con.execute("SELECT count(*) FROM seen").fetchone() == (1,)
    con.close()
    assert (tmp_path / "ledger.sqlite").stat().st_size < 1 << 20
    again = open_ledger(tmp_path)
    again.write({256: {7_000_000: noted()}})
    assert again.crowds(256)[0].files == 1_000_501, "after a restart too"
    again.close()


def test_two_crowds_in_one_directory_are_nobodys() -> None:
    book = Ledger(None, "this", Clock())
    book.write({256: {inode: noted(ONE if inode % 2 else TWO) for inode in range(4000)}})
    assert len(book.crowds(256, 9)) == 2
    assert book.of_crowd(256, 9) is None


def test_unknown_writers_cast_no_doubt_on_a_crowd() -> None:
    """Of many runs of one program some end before they can be asked: these stay unknown, each by itself."""
    book = Ledger(None, "this", Clock())
    unknown = Origin("", b"", b"", 7, None)
    book.write({256: {inode: noted(unknown if inode % 3 == 0 else ONE) for inode in range(3000)}})
    (crowd,) = book.crowds(256, 9)
    assert crowd.files == 2000
    assert book.of_crowd(256, 9) == crowd.writer
    assert crowd.writer is not None and crowd.writer.unit == ONE.unit
    one = book.of(256, 3)
    assert one is not None and (one.unit, one.comm, one.pid) == ("", b"", 7), "not taken for one of the crowd"


def test_rows_are_bounded_full_directories_first_then_the_oldest(tmp_path: Path) -> None:
    book = open_ledger(tmp_path, rows=1000)
    for step in range(10):  # slowly: no batch is a crowd
        first = 10_000 + step * 60
        book.write({256: {inode: noted(directory=77, now=1.0) for inode in range(first, first + 60)}})
    for inode in range(900):
        book.write({256: {inode: noted(directory=1000 + inode, now=10.0 + inode)}})
    assert [(crowd.directory, crowd.files) for crowd in book.crowds(256)] == [(77, 600)]
    assert book.forgotten == 0
    for inode in range(900, 2000):
        book.write({256: {inode: noted(directory=1000 + inode, now=10.0 + inode)}})
    known = sum(book.of(256, inode) is not None for inode in range(2000))
    assert 850 <= known <= 1000 and book.forgotten == 2000 - known
    assert book.of(256, 1999) is not None and book.of(256, 0) is None
    book.close()


def test_a_program_that_fills_very_many_directories_is_bounded_too() -> None:
    book = Ledger(None, "this", Clock(), rows=800)
    for directory in range(1, 500):
        book.write(
            {256: {directory * 100 + n: noted(directory=directory, now=float(directory)) for n in range(10)}}
        )
    assert len(book.crowds(256)) <= 100
    assert book.forgotten > 0


def user(uid: int | None) -> Origin:
    return Origin("", b"/usr/bin/mkdir", b"mkdir", 20, uid)


@pytest.mark.parametrize("uids", [[1000], [None], [1000, 1001], range(165536, 175536)], ids=str)
def test_who_crowds_it_is_forgotten_first(uids: Sequence[int | None]) -> None:
    """A user makes directories without end: what root wrote before, and meanwhile, stays known."""
    book = Ledger(None, "this", Clock(), rows=2000)
    book.write({256: {5: noted(directory=1, now=1.0)}})
    for start in range(0, 10_000, 500):
        made = range(10_000 + start, 10_500 + start)
        book.write(
            {
                256: {
                    inode: noted(user(uids[inode % len(uids)]), directory=inode - 1, now=float(inode))
                    for inode in made
                }
            }
        )
        book.write({256: {100 + start: noted(directory=2, now=2.0)}})
    assert book.of(256, 5) is not None
    assert all(book.of(256, 100 + start) for start in range(0, 10_000, 500))
    assert book.forgotten > 8000


def test_crowds_of_one_user_do_not_drive_out_those_of_another() -> None:
    book = Ledger(None, "this", Clock(), rows=800)
    book.write({256: {n: noted(directory=9, now=1.0) for n in range(ledger.CROWD)}})
    for directory in range(1000, 1500):
        first = directory * 100
        mine = {first + n: noted(user(1000), directory=directory, now=float(directory)) for n in range(10)}
        book.write({256: mine})
    assert len(book.crowds(256)) <= 100
    assert book.of_crowd(256, 9) is not None


def test_programs_with_long_paths_do_not_fill_it(tmp_path: Path) -> None:
    book = open_ledger(tmp_path, rows=10_000, size=1 << 20)
    book.write({256: {5: noted(directory=1, now=1.0)}})
    for number in range(2000):
        origin = user(1000)._replace(exe=b"/home/a/" + b"%04d" % number * 1000)
        book.write({256: {100 + number: noted(origin, directory=100 + number, now=2.0 + number)}})
    assert book._database.bytes() < 2 << 20
    assert book.of(256, 5) is not None
    assert book.of(256, 100 + 1999) is not None
    book.close()


def test_names_that_change_with_every_write_do_not_fill_it(tmp_path: Path) -> None:
    book = open_ledger(tmp_path, rows=500)
    for number in range(5000):
        book.write({256: {5: noted(ONE._replace(comm=b"%d" % number))}})
    book.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as con:
        (origins,) = con.execute("SELECT count(*) FROM origin").fetchone()
    con.close()
    assert origins <= 600


def test_old_boots_go(tmp_path: Path) -> None:
    for number in range(8):
        book = open_ledger(tmp_path, f"boot {number}", boots=3)
        book.tidy()
        book.write({256: {5: noted()}})
        book.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as con:
        assert [name for (name,) in con.execute("SELECT boot_id FROM boot ORDER BY id")] == [
            "boot 5", "boot 6", "boot 7"
        ]  # fmt: skip
        assert con.execute("SELECT count(*) FROM seen").fetchone() == (3,)
    con.close()


def test_bytes_are_bounded_and_given_back(tmp_path: Path) -> None:
    rng = random.Random(1)
    for number in range(6):
        book = open_ledger(tmp_path, f"boot {number}", size=512 << 10)
        for _ in range(10):
            book.write({256: {rng.randrange(1 << 40): noted(directory=0) for _ in range(500)}})
        book.close()
    assert (tmp_path / "ledger.sqlite").stat().st_size < 700 << 10


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, _logger: object, _method: str, event: dict[str, object]) -> dict[str, object]:
        self.said.append(str(event["event"]))
        raise structlog.DropEvent


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(ledger, "log", structlog.wrap_logger(None, processors=[log]))
    return log


@pytest.mark.parametrize("content", [b"x" * 100_000, b"SQLite format 3\0" + b"\xff" * 5000, b"%d" * 10])
def test_a_damaged_file_is_put_aside(tmp_path: Path, log: Log, content: bytes) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(content)
    (tmp_path / "ledger.sqlite-wal").write_bytes(content)
    book = open_ledger(tmp_path)
    assert not book.in_memory
    assert (tmp_path / "ledger.sqlite.aside").read_bytes() == content
    book.write({256: {5: noted()}})
    book.close()
    again = open_ledger(tmp_path)
    assert again.of(256, 5)
    again.close()
    assert len(log.said) == 1 and "put aside" in log.said[0]


def test_damage_while_it_runs_is_noticed_and_put_aside(tmp_path: Path, log: Log) -> None:
    book = open_ledger(tmp_path)
    for start in range(0, 50_000, 5000):
        book.write({256: {n: noted(directory=0) for n in range(start, start + 5000)}})
    book.close()
    path = tmp_path / "ledger.sqlite"
    size = path.stat().st_size
    with open(path, "r+b") as stream:
        stream.seek(8192)
        stream.write(b"\xff" * (size - 8192))
    book = open_ledger(tmp_path)
    for inode in range(0, 50_000, 100):
        book.of(256, inode)
    book.write({256: {n: noted(directory=0) for n in range(60_000, 60_100)}})
    assert book.of(256, 60_001) and not book.in_memory
    assert (tmp_path / "ledger.sqlite.aside").exists()
    assert len([line for line in log.said if "put aside" in line]) == 1
    book.close()


def test_a_version_from_the_future_is_put_aside(tmp_path: Path, log: Log) -> None:
    open_ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as con:
        con.execute("PRAGMA user_version = 99")
    con.close()
    book = open_ledger(tmp_path)
    assert not book.in_memory and (tmp_path / "ledger.sqlite.aside").exists()
    book.close()
    assert len(log.said) == 1


def test_what_is_no_plain_file_is_left_alone(tmp_path: Path, log: Log) -> None:
    (tmp_path / "elsewhere").write_text("keep me")
    (tmp_path / "ledger.sqlite").symlink_to(tmp_path / "elsewhere")
    book = open_ledger(tmp_path)
    assert book.in_memory and len(log.said) == 1
    book.write({256: {5: noted()}})
    assert book.of(256, 5)
    book.close()
    assert (tmp_path / "elsewhere").read_text() == "keep me"


def test_a_second_one_does_not_touch_it(tmp_path: Path, log: Log) -> None:
    first = open_ledger(tmp_path)
    first.write({256: {5: noted()}})
    second = open_ledger(tmp_path)
    assert second.in_memory and len(log.said) == 1
    second.close()
    first.write({256: {6: noted()}})
    assert first.of(256, 5) and first.of(256, 6)
    first.close()
