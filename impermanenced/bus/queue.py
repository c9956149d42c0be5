"""The queue of calls whose answers take long to make: one is made at a time, and later callers share the
next.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Generic, TypeVar

from gi.repository import GLib

from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..system import logger
from ..system.dbus import Call, uid_of
from ..text import failure_to_text

REST = 3  # how many times as long as it took, before the next one is made for another user than root
EACH = 100  # calls of one user that may wait

T = TypeVar("T")
Answer = Callable[[Call, T, int], None]  # call, what was made, uid of the caller

log = logger.get()


class CallQueue(Generic[T]):
    """The callers of one method, and the answer that is made for them.

    For root it is made at once.  The work that other users can cause is bounded: after each answer theirs has
    to wait, unless root asks in between.
    """

    def __init__(
        self,
        con: Any,
        executor: Executor,
        make: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        done: Callable[[T], None] = lambda made: None,
    ) -> None:
        """Prepare the queue; `done` is called when the last caller has got what was made."""
        self._con = con
        self._executor = executor
        self._make = make
        self._clock = clock
        self._done = done
        self._lock = threading.Lock()
        self._new: list[tuple[Call, Answer[T], int | None]] = []
        self._asking: list[tuple[Call, Answer[T], int]] = []  # only the executor uses it
        self._not_before = 0.0
        self._timer = False

    def ask(self, call: Call, answer: Answer[T], uid: int | None = None) -> None:
        """Queue a call; `answer` answers it with what was made.  `uid` is the caller, if that is known
        already.
        """
        with self._lock:
            self._new.append((call, answer, uid))
            first = len(self._new) == 1
        if first:
            self._submit()

    def _submit(self) -> None:
        self._executor.submit(self._work).add_done_callback(_say_failure)

    def _work(self) -> None:
        self._ask_who()
        early = self._not_before - self._clock()
        if self._asking and early > 0 and all(uid != 0 for _, _, uid in self._asking):
            if not self._timer:
                self._timer = True
                GLib.timeout_add(int(early * 1000) + 1, self._again)
        elif self._asking:
            began = self._clock()
            calls, self._asking = self._asking, []
            try:
                self._answer_all(calls)
            finally:
                now = self._clock()
                self._not_before = now + REST * (now - began)

    def _again(self) -> bool:
        self._timer = False
        self._submit()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _ask_who(self) -> None:
        with self._lock:
            calls, self._new = self._new, []
        waiting = Counter(uid for _, _, uid in self._asking)
        for call, answer, known in calls:
            uid = uid_of(self._con, call.sender) if known is None else known
            if uid is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            elif uid != 0 and waiting[uid] >= EACH:
                call.fail(ServiceError(f"{EACH} calls of yours wait for their answer already"))
            else:
                waiting[uid] += 1
                self._asking.append((call, answer, uid))

    def _answer_all(self, calls: list[tuple[Call, Answer[T], int]]) -> None:
        problem: BaseException | None = None
        try:
            made = self._make()
            try:
                for call, answer, uid in calls:
                    try:
                        answer(call, made, uid)
                    except ImpermanenceError as error:  # it concerns this call alone
                        call.fail(error)
            finally:
                self._done(made)
        except (ImpermanenceError, OSError) as error:
            log.warning("a call cannot be answered", error=failure_to_text(error))
            problem = error
        finally:
            for call, _, _ in calls:
                if not call.answered:
                    call.fail(problem)


def _say_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("a call could not be answered", exc_info=error)
