"""The threads that do what the main loop must not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from ..errors import ImpermanenceError
from ..system import logger
from ..text import failure_to_text

log = logger.get()


class Workers:
    """One thread each for reports, for the ledger, and for what must not wait for a report."""

    def __init__(self) -> None:
        self.worker = ThreadPoolExecutor(1, "worker")
        self.calls = ThreadPoolExecutor(1, "calls")
        self._storer = ThreadPoolExecutor(1, "ledger")
        self._last: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done after the reports that are asked for already."""
        self.worker.submit(work).add_done_callback(_say_failure)

    def call(self, work: Callable[[], None]) -> None:
        """Have `work` done by the thread that waits for no report, unless `work` does."""
        self.calls.submit(work).add_done_callback(_say_failure)

    def store(self, work: Callable[[], None]) -> None:
        """Have `work` done by the ledger's thread, which no report keeps waiting."""
        self._storer.submit(work).add_done_callback(_say_failure)

    def last(self) -> Executor:
        """Drop what waits for the worker, and return what does its work after what the worker has begun."""
        self.worker.shutdown(wait=False, cancel_futures=True)
        self._last = ThreadPoolExecutor(1, "last", initializer=self.worker.shutdown)
        return self._last

    def close(self, patience: float) -> bool:
        """Drop what waits, wait for all of the ledger's, and for so many seconds for what has begun; return
        whether all has ended.

        What has not must be left behind by a process that ends.
        """
        closing = threading.Thread(target=self._close_readers, daemon=True)
        closing.start()
        self._storer.shutdown()
        closing.join(patience)
        return not closing.is_alive()

    def _close_readers(self) -> None:
        for executor in (self.calls, self.worker, self._last):
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)
        for executor in (self.calls, self.worker, self._last):
            if executor is not None:
                executor.shutdown()


def _say_failure(future: Future[None]) -> None:
    if future.cancelled() or (error := future.exception()) is None:
        return
    if isinstance(error, ImpermanenceError | OSError):  # such as the end of a process that makes a report
        log.warning("work was not done", error=failure_to_text(error))
    else:
        log.error("work failed", exc_info=error)
