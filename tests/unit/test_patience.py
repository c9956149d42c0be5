"""How long a client waits, with a clock of our own."""

from __future__ import annotations

from impermanenced.bus.patience import IDLE, SILENT, STUCK, Patience


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_as_long_as_it_gets_further_there_is_no_end() -> None:
    clock = Clock()
    patience = Patience(clock)
    for turn in range(1000):
        clock.now += SILENT - 1
        assert patience.heard((5, turn)) is None
    assert patience.waited == 1000 * (SILENT - 1)


def test_silence_ends_it() -> None:
    clock = Clock()
    patience = Patience(clock)
    clock.now += SILENT - 1
    assert patience.heard(None) is None
    assert patience.heard((5, 1)) is None, "a question that was lost is no silence"
    clock.now += SILENT - 1
    assert patience.heard(None) is None
    clock.now += 1
    assert patience.heard(None) == "it has not answered for 60 s"


def test_a_report_that_does_not_get_further_ends_it() -> None:
    clock = Clock()
    patience = Patience(clock)
    patience.heard((5, 1))
    clock.now += STUCK - 1
    assert patience.heard((5, 1)) is None
    clock.now += 1
    assert patience.heard((5, 1)) == "its report does not get any further, for 120 s"


def test_a_pause_before_the_report_is_longer() -> None:
    clock = Clock()
    patience = Patience(clock)
    while clock.now < 50.0 + IDLE:
        assert patience.heard((0, 0)) is None
        clock.now += 1
    assert patience.heard((0, 0)) == "it has begun no report, for 600 s"
