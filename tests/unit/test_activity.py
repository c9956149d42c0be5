from __future__ import annotations

from impermanenced.activity import Activity, Origin, Seen

ONE = Origin("one.service", b"/usr/bin/one", b"one", 10, 0)
TWO = Origin("", b"/usr/bin/two", b"two", 11, 1000)
GONE = Origin("", b"", b"", 12, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_last_writer_that_is_known_counts() -> None:
    clock = Clock()
    activity = Activity(clock)
    activity.note([Seen(256, 5, ONE, True)])
    clock.now = 101.0
    activity.note([Seen(256, 5, TWO, False)])
    clock.now = 102.0
    activity.note([Seen(256, 5, GONE, False), Seen(256, 6, GONE, True), Seen(256, 7, None, True)])
    writer = activity.of(256, 5)
    assert writer is not None
    assert (writer.comm, writer.uid, writer.first, writer.last) == (b"two", 1000, 100.0, 102.0)
    gone = activity.of(256, 6)
    assert gone is not None and (gone.pid, gone.comm, gone.uid) == (12, b"", None)
    assert activity.of(256, 7) is None
    assert activity.of(257, 5) is None


def test_news_is_told_once_until_it_is_taken() -> None:
    told: list[int] = []
    activity = Activity(Clock(), on_news=lambda: told.append(1))
    activity.note([Seen(256, 5, ONE, True)])
    activity.note([Seen(256, 6, ONE, True), Seen(300, 5, ONE, True)])
    assert told == [1]
    assert activity.take() == ({256: {5, 6}, 300: {5}}, False)
    assert activity.take() == ({}, False)
    activity.note([Seen(256, 5, ONE, False)])
    assert told == [1, 1]


def test_what_is_settled_is_news_only_under_another_name() -> None:
    """A service that logs every second must not make the filesystem sync every ten."""
    activity = Activity(Clock())
    activity.note([Seen(256, 5, ONE, True)])
    activity.take()
    activity.settle(256, [5, 99])
    activity.note([Seen(256, 5, ONE, False)])
    assert activity.take() == ({}, False)
    activity.note([Seen(256, 5, ONE, True)])
    assert activity.take() == ({256: {5}}, False)
    activity.unsettle()
    activity.note([Seen(256, 5, ONE, False)])
    assert activity.take() == ({256: {5}}, False)


def test_memory_is_bounded_and_the_oldest_go() -> None:
    activity = Activity(Clock(), limit=1000)
    for inode in range(2500):
        activity.note([Seen(256, inode, ONE, True)])
    assert activity.of(256, 0) is None
    assert activity.of(256, 2499) is not None
    known = sum(activity.of(256, inode) is not None for inode in range(2500))
    assert 900 <= known <= 1000
    assert activity.forgotten == 2500 - known


def test_overflow_is_told() -> None:
    told: list[int] = []
    activity = Activity(Clock(), on_news=lambda: told.append(1))
    activity.overflow()
    assert told and activity.overflows == 1
    assert activity.take() == ({}, True)
    assert activity.take() == ({}, False)
