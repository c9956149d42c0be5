"""The threads that do what the main loop must not wait for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ..system import logger

log = logger.get()


class Workers:
    """One thread each for reports, for the ledger, and for what must not wait for a report."""

    def __init__(self) -> None:
        self.worker = ThreadPoolExecutor(1, "worker")
        self.calls = ThreadPoolExecutor(1, "calls")
        self._storer = ThreadPoolExecutor(1, "ledger")

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done after the reports that are asked for already."""
        self.worker.submit(work).add_done_callback(_say_failure)

    def store(self, work: Callable[[], None]) -> None:
        """Have `work` done by the ledger's thread, which no report keeps waiting."""
        self._storer.submit(work).add_done_callback(_say_failure)

    def close(self) -> None:
        """Wait for what has begun, and for all of the ledger's; drop what else waits."""
        self.calls.shutdown(cancel_futures=True)
        self.worker.shutdown(cancel_futures=True)
        self._storer.shutdown()


def _say_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("work failed", exc_info=error)
