"""The daemon on calls that are made by chance."""

from __future__ import annotations

from typing import Any

from impermanenced.bus.introspection import INTERFACE, OBJECT_PATH

from ..fuzz.messages import Message, message
from ..fuzz.rounds import TIMES, chance
from .conftest import Bus, Daemon, begin, get_properties, wait_until
from .test_descriptors import opened

CALLS = 2500
AT_ONCE = 100  # the bus lets 128 calls of a connection wait


def send(con: Any, what: Message, got: list[str]) -> None:
    """Begin a call with three descriptors of ours; `got` gets the name of its error, or "" for an answer."""
    begin(con, (what.path, what.interface, what.method), what.arguments, got, descriptors=3)


def test_every_call_gets_an_answer_and_leaves_nothing(bus: Bus, daemon: Daemon) -> None:
    draw = chance("bus")
    con = bus.connect()
    answers: list[str] = []
    for method in ("Status", "Boots", "Rescan"):  # what a report reads stays open for the next
        send(con, Message(OBJECT_PATH, INTERFACE, method, None), answers)
    wait_until(lambda: len(answers) == 3, "the first answers")
    before = opened(daemon)
    answers.clear()
    for start in range(0, CALLS * TIMES, AT_ONCE):
        for _ in range(AT_ONCE):
            send(con, message(draw), answers)
        wait_until(lambda: len(answers) == start + AT_ONCE, "all answers")  # noqa: B023
    named = {answer for answer in answers if answer}
    assert all(name.startswith(("org.freedesktop.DBus.Error.", "org.impermanence.Error.")) for name in named)
    assert "org.freedesktop.DBus.Error.NoReply" not in named
    assert {"", "org.impermanence.Error.InvalidArgument"} <= set(answers), "some get further than the types"
    assert get_properties(bus, con)["Source"] == "fanotify"
    wait_until(lambda: not opened(daemon) - before, f"no more than {before}")
