"""What is asked and heard of other connections, and the memory that it takes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.system.callers import Callers

from .conftest import Bus, wait_until

ROUNDS = 2000
CLOSURE = 64  # bytes that libffi takes for a callback, at least


@pytest.fixture
def callers(bus: Bus) -> Iterator[Callers]:
    with contextlib.closing(Callers(bus.link())) as callers:
        yield callers


def closures() -> int:
    """The bytes of memory that may be run and is no file's: libffi's closures, which PyGObject may leak."""
    found, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            counts = "x" in words[1] and words[4] == "0"
        elif words[0] == "Anonymous:" and counts:
            found += int(words[1]) * 1024
    return found


def test_who_comes_and_goes_leaves_no_callback(callers: Callers, bus: Bus) -> None:
    sender = bus.connect().get_unique_name()
    done: list[bool] = []

    def watch(times: int) -> None:
        for _ in range(times):
            callers.watch(sender, lambda: None)()
        done.clear()
        callers.ask_present(sender, done.append)
        wait_until(lambda: done, "the bus to have got the rules")

    watch(1)
    before = closures()
    watch(ROUNDS)
    assert closures() - before < ROUNDS * CLOSURE, "not one for each"


def test_who_is_asked_about_leaves_no_callback(callers: Callers, bus: Bus) -> None:
    sender = bus.connect().get_unique_name()
    got: list[int | None] = []

    def ask(times: int) -> None:
        got.clear()
        for _ in range(times):
            callers.ask_uid(sender, got.append)
        wait_until(lambda: len(got) == times, "every answer")
        assert got == [os.geteuid()] * times

    ask(1)
    before = closures()
    ask(ROUNDS)
    assert closures() - before < ROUNDS * CLOSURE, "not one for each"


def test_each_question_gets_its_own_answer(callers: Callers, bus: Bus) -> None:
    names = [bus.connect().get_unique_name() for _ in range(5)]
    got: list[tuple[str, object]] = []
    for name in (*names, ":1.999999"):
        callers.ask_present(name, lambda there, name=name: got.append((name, there)))  # type: ignore[misc]
        callers.ask_uid(name, lambda uid, name=name: got.append((name, uid)))  # type: ignore[misc]
    wait_until(lambda: len(got) == 12, "every answer")
    known = [(name, what) for name in names for what in (True, os.geteuid())]
    assert got == [*known, (":1.999999", False), (":1.999999", None)]


def test_a_question_whose_answer_is_taken_badly_keeps_no_other_waiting(
    callers: Callers, bus: Bus, capfd: pytest.CaptureFixture[str]
) -> None:
    got: list[bool] = []

    def fail(present: bool) -> None:
        raise LookupError("it is meant to be seen")

    sender = bus.connect().get_unique_name()
    for then in (fail, fail, got.append):
        callers.ask_present(sender, then)
    wait_until(lambda: got, "the last answer")
    assert got == [True]
    assert capfd.readouterr().err.count("LookupError: it is meant") == 2


def test_all_who_watch_a_connection_are_told_once(callers: Callers, bus: Bus) -> None:
    told: list[str] = []
    goes, stays = bus.connect(), bus.connect().get_unique_name()
    name = goes.get_unique_name()
    callers.watch(name, lambda: told.append("first"))
    forget = callers.watch(name, lambda: told.append("second"))
    callers.watch(name, lambda: told.append("third"))
    callers.watch(stays, lambda: told.append("another"))
    forget()
    forget()
    heard: list[bool] = []
    callers.ask_present(name, heard.append)
    wait_until(lambda: heard, "the bus to have got the rules")
    goes.close_sync(None)
    wait_until(lambda: len(told) == 2, "the news that it has gone")
    assert told == ["first", "third"]
