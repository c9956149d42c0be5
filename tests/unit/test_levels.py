"""Levels of undeclared bytes: each said once when it is reached from below."""

from __future__ import annotations

from impermanenced.alerts.levels import AGAIN, Levels
from impermanenced.config.load import LevelSettings
from impermanenced.config.values import NOTHING, Space

SETTINGS = LevelSettings(Space(100), Space(200), Space(50, percent=True))
TOTAL = 2000  # so critical begins at 1000


def said(*sizes: int, settings: LevelSettings = SETTINGS) -> list[str]:
    levels = Levels()
    found = [levels.reach(size, settings, TOTAL, AGAIN * number) for number, size in enumerate(sizes)]
    return [one[0] if one else "" for one in found]


def test_each_is_said_once_on_the_way_up() -> None:
    assert said(0, 99, 100, 150, 200, 999) == ["", "", "notice", "", "warning", ""]
    assert said(150, 250, 1000, 5000) == ["notice", "warning", "critical", ""]


def test_of_several_at_once_the_highest() -> None:
    assert said(1000, 1500) == ["critical", ""]
    assert Levels().reach(1000, SETTINGS, TOTAL, 0.0) == ("critical", 1000), "and where it begins"


def test_it_does_not_flap() -> None:
    assert said(200, 199, 200, 181, 200, 180, 200) == ["warning"] + [""] * 6
    assert said(200, 179, 199, 200) == ["warning", "", "", "warning"]
    assert said(1000, 0, 100, 0, 250) == ["critical", "", "notice", "", "warning"]


def test_a_level_that_is_off_is_never_said() -> None:
    assert said(150, 250, 1500, settings=LevelSettings(NOTHING, Space(200), NOTHING)) == ["", "warning", ""]
    assert said(1 << 50, settings=LevelSettings(NOTHING, NOTHING, NOTHING)) == [""]


def test_levels_in_another_order_are_said_by_their_weight() -> None:
    assert said(60, 150, settings=LevelSettings(Space(100), Space(50), NOTHING)) == ["warning", ""]


def test_a_level_that_is_switched_off_is_left() -> None:
    levels = Levels()
    assert levels.reach(300, SETTINGS, TOTAL, 0.0)
    off = LevelSettings(Space(100), NOTHING, NOTHING)
    assert levels.reach(300, off, TOTAL, 1.0) is None
    assert levels.reach(300, SETTINGS, TOTAL, AGAIN) == ("warning", 200), "and on again"


def test_what_would_be_news_next() -> None:
    levels = Levels()
    assert levels.next(SETTINGS, TOTAL) == 100
    levels.reach(250, SETTINGS, TOTAL, 0.0)
    assert levels.next(SETTINGS, TOTAL) == 1000
    levels.reach(1000, SETTINGS, TOTAL, 0.0)
    assert levels.next(SETTINGS, TOTAL) is None


def test_who_makes_much_and_removes_it_again_and_again_is_said_once_an_hour() -> None:
    levels = Levels()
    said = [levels.reach((0, 1500)[n % 2], SETTINGS, TOTAL, 0.25 * n) for n in range(160)]
    assert [one for one in said if one] == [("critical", 1000)]
    assert levels.reach(150, SETTINGS, TOTAL, 50.0) is None, "nothing below it either"
    assert levels.reach(0, SETTINGS, TOTAL, AGAIN) is None
    assert levels.reach(1500, SETTINGS, TOTAL, AGAIN + 1) == ("critical", 1000)
    levels.reach(0, SETTINGS, TOTAL, 2 * AGAIN)
    assert levels.reach(150, SETTINGS, TOTAL, 3 * AGAIN) == ("notice", 100)
    assert levels.reach(1500, SETTINGS, TOTAL, 3 * AGAIN + 1) == ("critical", 1000), "worse: at once"
