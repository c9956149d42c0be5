from __future__ import annotations

from array import array
from typing import Any

import pytest

from impermanenced.watch.ledger import Ledger, Origin
from impermanenced.watch.pending import CROWDED, LIMIT, MOST, PendingWrites, Seen, by_owner

ONE = Origin("one.service", b"/usr/bin/one", b"one", 10, 0, "system")
TWO = Origin("", b"/usr/bin/two", b"two", 11, 1000)
GONE = Origin("", b"", b"", 12, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, limit: int = LIMIT) -> PendingWrites:
    clock = clock or Clock()
    return PendingWrites(clock, Ledger(None, "boot", clock), limit=limit)


def take(writes: PendingWrites) -> tuple[dict[int, dict[Any, set[int]]], bool, bool]:
    dirty, too_many, overflowed = writes.take()
    sets = {root: {key: set(inodes) for key, inodes in written.items()} for root, written in dirty.items()}
    return sets, too_many, overflowed


@pytest.mark.parametrize("apart", [False, True], ids=["waiting", "in the ledger"])
def test_the_last_writer_that_is_known_counts(apart: bool) -> None:
    clock = Clock()
    writes = make(clock)

    def note(*events: Seen) -> None:
        writes.note(events)
        if apart:
            writes.store()

    note(Seen(256, 5, 9, ONE, True))
    clock.now = 101.0
    note(Seen(256, 5, 9, TWO, False))
    clock.now = 102.0
    note(
        Seen(256, 5, 9, GONE, False), Seen(256, 6, 9, GONE, True),
        Seen(256, 7, 9, None, True), Seen(256, 8, 9, None, True),
    )  # fmt: skip
    note(Seen(256, 5, 0, None, False), Seen(256, 8, 9, ONE, False))
    writes.store()
    writer = writes.of(256, 5)
    assert writer is not None
    assert (writer.comm, writer.pid, writer.uid, writer.first, writer.last) == (b"two", 11, 1000, 100, 102)
    gone = writes.of(256, 6)
    assert gone is not None and (gone.pid, gone.comm, gone.uid) == (12, b"", None)
    assert writes.of(256, 7) is None
    later = writes.of(256, 8)
    assert later is not None and (later.unit, later.kind) == ("one.service", "system")
    assert writes.of(257, 5) is None


def test_news_is_told_once_until_it_is_taken() -> None:
    told: list[int] = []
    writes = make()
    writes.subscribe(on_news=lambda: told.append(1))
    writes.note([Seen(256, 5, 9, ONE, True)])
    writes.note([Seen(256, 6, 9, ONE, True), Seen(256, 7, 9, TWO, True), Seen(300, 5, 9, ONE, True)])
    assert told == [1]
    assert take(writes) == (
        {256: {(9, ONE): {5, 6}, (9, TWO): {7}}, 300: {(9, ONE): {5}}}, False, False
    )  # fmt: skip
    assert take(writes) == ({}, False, False)
    writes.store()
    writes.note([Seen(256, 5, 9, ONE, False)])
    assert told == [1, 1]


def test_what_is_settled_is_news_only_under_another_name() -> None:
    """A service that logs every second must not make the filesystem sync every ten."""
    writes = make()
    writes.note([Seen(256, 5, 9, ONE, True)])
    take(writes)
    writes.store()
    writes.settle(256, [5, 99])
    writes.note([Seen(256, 5, 9, ONE, False)])
    assert take(writes) == ({}, False, False)
    assert writes.waits, "who wrote last is to be stored all the same"
    writes.note([Seen(256, 5, 9, ONE, True)])
    assert take(writes) == ({256: {(9, ONE): {5}}}, False, False)
    writes.store()
    writes.unsettle()
    writes.note([Seen(256, 5, 9, ONE, False)])
    assert take(writes) == ({256: {(9, ONE): {5}}}, False, False)


def test_what_nobody_stores_is_bounded() -> None:
    told: list[int] = []
    writes = make(limit=20_000)
    writes.subscribe(on_many=lambda: told.append(1))
    for inode in range(25_000):
        writes.note([Seen(256, inode, 9, ONE, True)])
    assert told == [1]
    assert writes.forgotten == 10_000
    writes.store()
    writes.note([Seen(256, 1_000_000, 9, ONE, True)])
    assert writes.forgotten == 10_000, "there is room again"


def test_a_flood_of_one_user_leaves_room_for_the_others() -> None:
    writes = make(limit=20_000)
    flood = [ONE._replace(uid=uid) for uid in (1000, *range(100_000, 165_536, 8))]
    for inode in range(25_000):
        writes.note([Seen(256, inode, 9, flood[0], True)])
    for inode in range(25_000, 50_000):
        writes.note([Seen(256, inode, 9, flood[inode % len(flood)], True)])
    writes.note(Seen(256, inode, inode, ONE, True) for inode in range(100_000, 100_200))
    writes.store()
    assert all(writes.of(256, inode) for inode in range(100_000, 100_200))


def test_more_than_can_be_looked_at_is_said() -> None:
    writes = make(limit=2 * MOST)
    writes.note(Seen(256, inode, 9, ONE, True) for inode in range(CROWDED - 1))
    assert not writes.crowded
    writes.note(Seen(256, inode, 9, ONE, True) for inode in range(MOST + 5))
    assert writes.crowded
    dirty, too_many, overflowed = take(writes)
    assert len(dirty[256][9, ONE]) == MOST * 3 // 4 and too_many and not overflowed
    assert take(writes) == ({}, False, False)
    assert not writes.crowded


def test_a_flood_of_one_user_leaves_room_to_look_at_what_others_wrote() -> None:
    writes = make(limit=4 * MOST)
    mallory, alice = ONE._replace(uid=1000), ONE._replace(uid=1001)
    writes.note(Seen(256, inode, 9, mallory, True) for inode in range(2 * MOST))
    few = range(2 * MOST, 2 * MOST + 100)
    writes.note(Seen(256, inode, 8, alice, True) for inode in few)
    writes.note(Seen(257, inode, 9, ONE, True) for inode in few)
    writes.note([Seen(256, few[0], 8, alice, True)])  # once more
    dirty, too_many, _ = writes.take()
    assert too_many, "of the first"
    assert list(by_owner(dirty)) == [
        (257, {(9, ONE): array("Q", few)}),
        (256, {(8, alice): array("Q", few)}),
        (256, {(9, mallory): array("Q", range(MOST * 3 // 4))}),
    ]
    writes.note([Seen(256, 6 * MOST, 9, mallory, True)])
    assert take(writes)[1] is False, "there is room again"


def test_overflow_is_told() -> None:
    told: list[int] = []
    writes = make()
    writes.subscribe(on_news=lambda: told.append(1))
    writes.overflow()
    assert told and writes.overflows == 1
    assert take(writes) == ({}, False, True)
    assert take(writes) == ({}, False, False)
