"""What is asked and heard of other connections, and the memory that it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.system.callers import Callers

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
