"""`--since`: words to moments, and what came after them."""

import datetime
import time
from typing import Any

import pytest

from impermanenced.cli import since
from impermanenced.errors import UsageError
from impermanenced.model import Entry, Writer

from .reports import NOW, entry, report


def at(clock: str) -> float:
    return datetime.datetime.fromisoformat(f"2025-11-23T{clock}:00+00:00").timestamp()


def changed(path: str, when: float, **fields: Any) -> Entry:
    one = entry(path, **fields)
    difference = one.difference._replace(mtime=0, ctime=int(when * 1e9))
    return one._replace(difference=difference)


@pytest.mark.parametrize(
    ("text", "ago"),
    [("-5min", 300), ("10 min ago", 600), ("-2h", 7200), ("3 days ago", 259_200), ("-1w", 604_800)],
)
def test_spans(text: str, ago: int) -> None:
    assert since.moment(text, NOW) == NOW - ago


def test_days_and_clocks_are_local() -> None:
    midnight = time.mktime((*time.localtime(NOW)[:3], 0, 0, 0, 0, 0, -1))
    assert since.moment("today", NOW) == midnight
    assert since.moment("yesterday", NOW) in (midnight - 86_400, midnight - 82_800, midnight - 90_000)
    assert since.moment("9:30", NOW) == midnight + 9.5 * 3600
    assert since.moment("09:30:15", NOW) == midnight + 9.5 * 3600 + 15
    assert since.moment("1970-01-02T00:00:00+00:00", NOW) == 86_400


@pytest.mark.parametrize("text", ["", "soon", "25:00", "-", "-5", "2026-13-01", "9999999h", "0" * 5000])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        since.moment(text, NOW)
    assert "settled, -1, or a time" in (caught.value.hint or "")


def test_only_what_came_since() -> None:
    written = Writer("x.service", b"/x", b"x", 1, 0, at("12:00"), at("12:00"))
    found = report(
        changed("/boot-made", at("09:59")),
        changed("/mine", at("11:00")),
        changed("/again", at("11:00"), lost=3),
        changed("/unpacked", at("09:00"), writer=written),
        settled=at("10:00"),
    )

    def paths(word: str) -> list[bytes]:
        return [one.difference.path for one in since.only(found, word, NOW)[0].entries]

    assert paths("settled") == [b"/mine", b"/again", b"/unpacked"]
    assert paths("-1") == [b"/boot-made", b"/mine", b"/unpacked"]
    assert paths("2025-11-23T10:30:00+00:00") == [b"/mine", b"/again", b"/unpacked"]
    with pytest.raises(UsageError, match="nobody knows when this boot had settled"):
        since.only(report(), "settled", NOW)


def test_the_moment_in_words() -> None:
    assert since.only(report(), "-1", NOW)[1] == "the last boot"
    assert since.only(report(settled=NOW - 60.5), "settled", NOW)[1] == "12:12"
    assert since.only(report(), "-2d", NOW)[1] == "2025-11-21 12:13"


def test_what_began_in_the_same_second_is_after_it() -> None:
    """A report that came over the bus has whole seconds; one of our own is no different."""
    found = report(changed("/a", at("10:00") + 0.2), settled=at("10:00") + 0.7)
    assert len(since.only(found, "settled", NOW)[0].entries) == 1
