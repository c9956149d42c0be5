"""The signals that end long work at the next place where it can end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Stop:
    """A handler of SIGTERM and SIGINT, which ask the work to end while it is entered.

    Where `idle`, they end the program at once, because nothing has been begun: the wait for an answer, too.
    """

    def __init__(self, *, idle: bool = False) -> None:
        self.event = threading.Event()
        self.signal = 0
        self.idle = idle

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the signals only ask while something is being changed."""
        self.idle = False
        try:
            yield
        finally:
            self.idle = True

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._on) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on(self, number: int, _: object) -> None:
        self.signal = number
        self.event.set()
        if self.idle:
            raise KeyboardInterrupt
