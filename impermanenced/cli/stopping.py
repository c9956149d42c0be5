"""The signals that end long work at the next place where it can end."""

from __future__ import annotations

import signal
import threading


class Stop:
    """A handler of SIGTERM and SIGINT, which ask the work to end while it is entered."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal = 0

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._on) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on(self, number: int, _: object) -> None:
        self.signal = number
        self.event.set()
