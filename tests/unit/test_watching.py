"""The words of `impermanence watch`: what is typed, and a line for each kind of news."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from impermanenced.cli.commands import watch
from impermanenced.cli.output import Style
from impermanenced.cli.parse import parse
from impermanenced.errors import ServiceError, UsageError

NOW = 1_763_900_000.0  # 2025-11-23 12:13:20 UTC
PLAIN = Style(color=False)


def news(kind: str, **fields: Any) -> dict[str, Any]:
    return {"version": 1, "time": "2025-11-23T09:14:07+00:00", "kind": kind, **fields}


WRITER = {"unit": "sonarr.service", "exe": "/usr/bin/sonarr", "comm": "sonarr", "uid": 977}


@pytest.fixture(autouse=True)
def in_london(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


ONE = news("crud", path="/etc/key", change="created", loss="secret", bytes=411, count=1, writer=WRITER)


def test_what_is_typed() -> None:
    assert parse(["watch"]).options.lines == 10
    assert parse(["watch", "-n", "0", "--json"]).options.lines == 0
    assert parse(["-n", "3", "watch"]).options.lines == 3
    assert parse(["watch", "--lines=all"]).options.lines is None
    for wrong in ("-1", "1.5", "", "many", "٣", "9" * 10):
        with pytest.raises(UsageError, match="not a number of lines"):
            parse(["watch", f"--lines={wrong}"])
    for words in (["/etc"], ["--notify", "--json"], ["--notify", "-n", "0"]):
        with pytest.raises(UsageError):
            parse(["watch", *words])
    assert parse(["watch", "--notify"]).options.notify


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (ONE, "secret         /etc/key  created, 411 B  sonarr.service"),
        ({**ONE, "writer": None}, "secret         /etc/key  created, 411 B"),
        ({**ONE, "change": "metadata"}, "secret         /etc/key  changed, 411 B  sonarr.service"),
        ({**ONE, "count": 1200}, "secret         /etc/key  1,200 paths created, 411 B  sonarr.service"),
        (news("more", path="/var", bytes=300, count=30), "               /var  30 paths more, 300 B"),
        (news("boot", path="/", bytes=1, count=1), "               /  1 path by the boot itself, 1 B"),
        (
            news("level", level="warning", bytes=18_000, count=2),
            "               warning: what is undeclared has come to 17.6 KiB in 2 paths",
        ),
        (
            news("overflow", overflows=2),
            "               the kernel dropped events, 2 times by now: "
            "of some files it is not known who wrote them",
        ),
    ],
)
def test_a_line_of_each_kind(what: dict[str, Any], shown: str) -> None:
    assert watch.line(what, NOW, PLAIN) == f"09:14:07  {shown}"


def test_colour_is_for_what_hurts_most() -> None:
    colour = Style(color=True)
    assert "\x1b[1msecret" in watch.line(ONE, NOW, colour)
    assert "\x1b" not in watch.line({**ONE, "loss": "log"}, NOW, colour)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"kind": "crud"}', '{"kind": 1, "time": "x"}'])
def test_what_is_no_news_is_an_error_in_words(text: str) -> None:
    with pytest.raises(ServiceError, match="impermanenced: "):
        watch.take(text, lambda news: watch.line(news, NOW, PLAIN))


def test_without_the_libraries_of_the_bus_it_names_them() -> None:
    script = "import sys; sys.modules['gi'] = None; from impermanenced.cli.main import main; sys.exit(main())"
    argv = [sys.executable, "-c", script, "watch"]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "impermanence: the libraries of the bus are missing\n"
        "hint: apt-get install python3-gi python3-pydbus\n"
    )
