"""The progress of long work: a line on stderr, written over on a terminal, and a few lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from ..text import size_to_text
from .output import Line

FIRST = 1.0  # seconds after which anything is said
EACH = 0.2


@contextlib.contextmanager
def shown(words: Callable[[float], str]) -> Iterator[None]:
    """Show what the work in the body is at, until it ends; `words` are asked from another thread, with the
    seconds since it began.
    """
    ended = threading.Event()
    line, began = Line(), time.monotonic()

    def show() -> None:
        pause = FIRST
        while not ended.wait(pause):
            passed = time.monotonic() - began
            line.show(words(passed), passed)
            pause = EACH

    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        line.end()


def share(done: int, of: int, what: str) -> str:
    """Return how far something is, in words."""
    percent = f", {min(done * 100 // of, 99)} %" if of else ""
    return f"{what}: {done:,} of {max(of, done):,}{percent}"


def rate(done: int, of: int, seconds: float, what: str) -> str:
    """Return how many bytes of how many are done, how many a second, and how long the rest takes."""
    words = f"{what}: {size_to_text(done)} of {size_to_text(max(of, done))}"
    if seconds > 0 and done:
        words += f", {size_to_text(int(done / seconds))}/s"
        if of > done:
            words += f", {left((of - done) * seconds / done)} left"
    return words


def left(seconds: float) -> str:
    """Return how long something takes, for a person."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
