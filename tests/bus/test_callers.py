"""What is asked and heard of other connections, and the memory that it takes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.system.callers import Callers
from impermanenced.system.later import Later

from .conftest import Bus, wait_until

ROUNDS = 2000
CLOSURE = 64  # bytes that libffi takes for a callback, at least


@pytest.fixture
def callers(bus: Bus) -> Iterator[Callers]:
    with contextlib.closing(Callers(bus.connect())) as callers:
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
    done: list[object] = []

    def ask() -> None:
        forget = callers.watch(sender, lambda: done.append("gone"))
        callers.ask_uid(sender, done.append)
        callers.ask_present(sender, done.append)
        forget()

    ask()
    wait_until(lambda: len(done) == 2, "the first answers")
    before = closures()
    for _ in range(ROUNDS):
        ask()
    wait_until(lambda: len(done) == 2 * ROUNDS + 2, "all answers")
    assert done == [os.geteuid(), True] * (ROUNDS + 1)
    assert closures() - before < ROUNDS * CLOSURE, "not one for each"


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
    goes.close_sync(None)
    wait_until(lambda: len(told) == 2, "the news that it has gone")
    assert told == ["first", "third"]


def test_later_goes_on_after_what_fails() -> None:
    with contextlib.closing(Later()) as later:
        done: list[int] = []
        later.call(lambda: done.append(1))
        later.call(lambda: done.append(1 // 0))
        later.call(lambda: done.append(2))
        wait_until(lambda: 2 in done, "the last")
        assert done == [1, 2]


def test_nobody_is_called_after_the_end(bus: Bus) -> None:
    callers = Callers(bus.connect())
    done: list[object] = []
    for _ in range(100):
        callers.ask_uid(":1.99", done.append)
    callers.close()
    wait_until(lambda: True, "what waits")
    assert not done
