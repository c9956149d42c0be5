"""When the load counts as heavy, and when no longer."""

from __future__ import annotations

from impermanenced.watch.pace import BUSY, CALM, WINDOW, Pace

NEXT = 1.01 * WINDOW


def test_events_count_together_within_a_moment_only() -> None:
    pace = Pace()
    for turn in range(20):
        pace.read(BUSY // 2, 100 + turn * NEXT)
        assert not pace.heavy
    for turn in range(3):
        pace.read(BUSY // 4, 200 + turn * WINDOW / 10)
        assert not pace.heavy
    pace.read(BUSY // 4, 200 + WINDOW / 2)
    assert pace.heavy


def test_a_heavy_load_is_over_when_there_are_many_fewer_events() -> None:
    pace = Pace()
    pace.read(BUSY, now := 100.0)
    for _ in range(20):
        pace.read(CALM, now := now + NEXT)
        assert pace.heavy, "fewer kinds are asked for meanwhile"
    pace.read(CALM - 1, now := now + NEXT)
    assert pace.heavy, "until that is known of a whole moment"
    pace.read(0, now := now + NEXT)
    assert not pace.heavy
    pace.read(CALM, now + NEXT)
    assert not pace.heavy


def test_who_reads_late_still_sees_a_heavy_load() -> None:
    pace = Pace()
    pace.read(BUSY, 100.0)
    assert pace.heavy
    pace.read(16_384, 160.0)
    assert pace.heavy
    pace.read(0, 220.0)
    assert pace.heavy, "the full queue was in the moment before"
    pace.read(0, 280.0)
    assert not pace.heavy
