"""`--since`: words to moments, and what came after them."""

import time
from typing import Any

import pytest

from impermanenced.cli import since
from impermanenced.errors import UsageError

NOW = 1_763_900_000.0


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


def entry(path: str, ctime: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "ctime": ctime, "mtime": ctime, "writer": None, **more}


def test_only_what_came_since() -> None:
    document = {
        "settled": "2025-11-23T10:00:00+00:00",
        "entries": [
            entry("/boot-made", "2025-11-23T09:59:00+00:00"),
            entry("/mine", "2025-11-23T11:00:00+00:00"),
            entry("/again", "2025-11-23T11:00:00+00:00", lost=3),
        ],
    }

    def paths(word: str | None) -> list[str]:
        return [one["path"] for one in since.only(document, word, NOW)["entries"]]

    assert paths(None) == ["/boot-made", "/mine", "/again"]
    assert paths("settled") == ["/mine", "/again"]
    assert paths("-1") == ["/boot-made", "/mine"]
    assert paths("2025-11-23T10:30:00+00:00") == ["/mine", "/again"]
    with pytest.raises(UsageError, match="nobody knows when this boot had settled"):
        since.only({**document, "settled": None}, "settled", NOW)
