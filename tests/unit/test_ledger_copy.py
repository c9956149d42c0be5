"""What a copy of the ledger answers, beside what the ledger does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.watch.ledger import Ledger, LedgerCopy, Noted, Origin
from impermanenced.watch.ledger.copy import PIECE
from impermanenced.watch.ledger.ledger import CROWD

ONE = Origin("one.service", b"/usr/bin/one", b"one", 10, 0, "system")
TWO = Origin("", b"/usr/bin/two\xff", b"two\n", 11, None, "")
SINGLE = 3 * PIECE + 7
ENDED = ONE._replace(exe=b"", uid=None)  # the same, asked a moment later
CROWDED, SHARED, TWICE = 7000, 7001, 7002  # directories


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger(None, "this", lambda: 100.0)
    writers = (ONE, TWO, None)
    ledger.write({
        root: {1000 + n: Noted(writers[n % 3], 9 + n, True, 1.5 + n, 2.5 + n) for n in range(SINGLE)}
        for root in (256, 300)
    })  # fmt: skip
    crowds = ((CROWDED, ONE), (SHARED, ONE), (SHARED, TWO), (TWICE, ONE), (TWICE, ENDED))
    for number, (directory, origin) in enumerate(crowds, 1):
        inodes = range(10_000 * number, 10_000 * number + CROWD)
        ledger.write({256: {inode: Noted(origin, directory, True, 3.0, 4.0) for inode in inodes}})
    yield ledger
    ledger.close()


def test_a_copy_answers_as_the_ledger_does(ledger: Ledger) -> None:
    copied = LedgerCopy(1.0, ((2.0, 3.0),), 4, 0)
    copied.add(ledger.pieces())
    for root in (256, 257, 300):
        for inode in range(990, 1010 + SINGLE):
            assert copied.of(root, inode) == ledger.of(root, inode)
    assert copied.of(256, 1000) is not None and copied.of(256, 1002) is None
    for directory in (CROWDED, SHARED, TWICE, 5):
        assert copied.of_crowd(256, directory) == ledger.of_crowd(256, directory)
    assert copied.of_crowd(256, CROWDED) is not None and copied.of_crowd(256, SHARED) is None
    twice = copied.of_crowd(256, TWICE)
    assert twice is not None and (twice.exe, twice.uid) == (ONE.exe, ONE.uid), "all that is known of it"
    assert copied.has_crowds()


def test_it_comes_in_small_pieces_and_while_the_ledger_is_written_to(ledger: Ledger) -> None:
    copied = LedgerCopy(None, (), 0, 0)
    for number, (table, rows) in enumerate(ledger.pieces()):
        assert 0 < len(rows) <= PIECE
        ledger.write({400: {5000 + number: Noted(TWO, 1, True, 5.0, 5.0)}})
        copied.add([(table, rows)])
    for inode in range(1000, 1000 + SINGLE):
        assert copied.of(300, inode) == ledger.of(300, inode)


def test_of_another_boot_it_knows_nothing(tmp_path: Path) -> None:
    before = Ledger(os.fsencode(tmp_path), "before", lambda: 100.0)
    before.write({256: {1000: Noted(ONE, 9, True, 1.0, 2.0)}})
    before.close()
    ledger = Ledger(os.fsencode(tmp_path), "this", lambda: 200.0)
    ledger.write({256: {1001: Noted(ONE, 9, True, 3.0, 4.0)}})
    copied = LedgerCopy(None, (), 0, 0)
    copied.add(ledger.pieces())
    assert copied.of(256, 1000) is None
    assert copied.of(256, 1001) == ledger.of(256, 1001)
    assert copied.of(256, 1001) is not None
    ledger.close()
