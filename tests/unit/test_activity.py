from __future__ import annotations

import pytest

from impermanenced.watch.ledger import Ledger, Origin
from impermanenced.watch.pending import CROWDED, LIMIT, MOST, Activity, Seen

ONE = Origin("one.service", b"/usr/bin/one", b"one", 10, 0, "system")
TWO = Origin("", b"/usr/bin/two", b"two", 11, 1000)
GONE = Origin("", b"", b"", 12, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock | None = None, limit: int = LIMIT) -> Activity:
    clock = clock or Clock()
    return Activity(clock, Ledger(None, "boot", clock), limit=limit)


@pytest.mark.parametrize("apart", [False, True], ids=["waiting", "in the ledger"])
def test_the_last_writer_that_is_known_counts(apart: bool) -> None:
    clock = Clock()
    activity = make(clock)

    def note(*events: Seen) -> None:
        activity.note(events)
        if apart:
            activity.store()

    note(Seen(256, 5, 9, ONE, True))
    clock.now = 101.0
    note(Seen(256, 5, 9, TWO, False))
    clock.now = 102.0
    note(
        Seen(256, 5, 9, GONE, False), Seen(256, 6, 9, GONE, True),
        Seen(256, 7, 9, None, True), Seen(256, 8, 9, None, True),
    )  # fmt: skip
    note(Seen(256, 5, 0, None, False), Seen(256, 8, 9, ONE, False))
    activity.store()
    writer = activity.of(256, 5)
    assert writer is not None
    assert (writer.comm, writer.pid, writer.uid, writer.first, writer.last) == (b"two", 11, 1000, 100, 102)
    gone = activity.of(256, 6)
    assert gone is not None and (gone.pid, gone.comm, gone.uid) == (12, b"", None)
    assert activity.of(256, 7) is None
    later = activity.of(256, 8)
    assert later is not None and (later.unit, later.kind) == ("one.service", "system")
    assert activity.of(257, 5) is None


def test_news_is_told_once_until_it_is_taken() -> None:
    told: list[int] = []
    activity = make()
    activity.subscribe(on_news=lambda: told.append(1))
    activity.note([Seen(256, 5, 9, ONE, True)])
    activity.note([Seen(256, 6, 9, ONE, True), Seen(256, 7, 9, TWO, True), Seen(300, 5, 9, ONE, True)])
    assert told == [1]
    assert activity.take() == (
        {256: {(9, ONE): {5, 6}, (9, TWO): {7}}, 300: {(9, ONE): {5}}}, False, False
    )  # fmt: skip
    assert activity.take() == ({}, False, False)
    activity.store()
    activity.note([Seen(256, 5, 9, ONE, False)])
    assert told == [1, 1]


def test_what_is_settled_is_news_only_under_another_name() -> None:
    """A service that logs every second must not make the filesystem sync every ten."""
    activity = make()
    activity.note([Seen(256, 5, 9, ONE, True)])
    activity.take()
    activity.store()
    activity.settle(256, [5, 99])
    activity.note([Seen(256, 5, 9, ONE, False)])
    assert activity.take() == ({}, False, False)
    assert activity.waits, "who wrote last is to be stored all the same"
    activity.note([Seen(256, 5, 9, ONE, True)])
    assert activity.take() == ({256: {(9, ONE): {5}}}, False, False)
    activity.store()
    activity.unsettle()
    activity.note([Seen(256, 5, 9, ONE, False)])
    assert activity.take() == ({256: {(9, ONE): {5}}}, False, False)


def test_what_nobody_stores_is_bounded() -> None:
    told: list[int] = []
    activity = make(limit=10_000)
    activity.subscribe(on_many=lambda: told.append(1))
    for inode in range(25_000):
        activity.note([Seen(256, inode, 9, ONE, True)])
    assert told == [1]
    assert activity.forgotten == 15_000
    activity.store()
    activity.note([Seen(256, 1_000_000, 9, ONE, True)])
    assert activity.forgotten == 15_000, "there is room again"


def test_more_than_can_be_looked_at_is_said() -> None:
    activity = make(limit=2 * MOST)
    activity.note(Seen(256, inode, 9, ONE, True) for inode in range(CROWDED - 1))
    assert not activity.crowded
    activity.note(Seen(256, inode, 9, ONE, True) for inode in range(MOST + 5))
    assert activity.crowded
    dirty, too_many, overflowed = activity.take()
    assert len(dirty[256][9, ONE]) == MOST and too_many and not overflowed
    assert activity.take() == ({}, False, False)
    assert not activity.crowded


def test_overflow_is_told() -> None:
    told: list[int] = []
    activity = make()
    activity.subscribe(on_news=lambda: told.append(1))
    activity.overflow()
    assert told and activity.overflows == 1
    assert activity.take() == ({}, False, True)
    assert activity.take() == ({}, False, False)

