"""The queue of calls whose answers take long to make: one is made at a time, and later callers share the
next one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from gi.repository import GLib

from ..errors import ImpermanenceError, ServiceError
from ..system import logger
from ..system.callers import ROOT, Caller
from ..system.dbus import Call
from ..text import failure_to_text

REST = 3  # how many times as long as it took, before the next one is made for another user than root
EACH = 100  # calls of one user that may wait
ALL = 400  # calls of all users but root that may wait

T = TypeVar("T")
Answer = Callable[[Call, T, Caller], None]  # call, what was made, the caller

log = logger.get()


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    call: Call
    answer: Answer[T]
    caller: Caller
    urgent: bool


class CallQueue(Generic[T]):
    """The callers of one method, and the answer that is made for them.

    For root it is made at once, and root gets its answer before all others: when root asks while others get
    theirs, these wait, and share the next one with root.  The work that other users can cause is bounded:
    after each answer theirs has to wait, unless root asks in between.  Among themselves, users take turns.
    """

    def __init__(
        self,
        executor: Executor,
        make: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        done: Callable[[T], None] = lambda made: None,
    ) -> None:
        """Prepare the queue; `done` is called when the last caller has got what was made."""
        self._executor = executor
        self._make = make
        self._clock = clock
        self._done = done
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[T]] = []
        self._each: Counter[int] = Counter()  # the waiting calls of each owner but root
        self._submitted = False
        self._not_before = 0.0
        self._timer = False

    def ask(self, call: Call, answer: Answer[T], caller: Caller, *, urgent: bool = False) -> None:
        """Queue a call; `answer` answers it with what was made.

        An urgent one does not wait for the pause between two answers.  Too many calls of one user, or of all,
        are refused.
        """
        owner = caller.owner
        with self._lock:
            if owner != ROOT and (self._each[owner] >= EACH or self._each.total() >= ALL):
                whose = "of yours" if self._each[owner] >= EACH else "of all users"
                refusal: ServiceError | None = ServiceError(f"too many calls {whose} wait for their answer")
            else:
                refusal = None
                self._each[owner] += owner != ROOT
                self._waiting.append(_Waiting(call, answer, caller, urgent or caller.uid == ROOT))
                first, self._submitted = not self._submitted, True
        if refusal is not None:
            call.fail(refusal)
        elif first:
            self._submit()

    def _submit(self) -> None:
        self._executor.submit(self._work).add_done_callback(_say_failure)

    def _work(self) -> None:
        calls = self._due()
        if calls:
            began = self._clock()
            try:
                self._answer_all(calls)
            finally:
                now = self._clock()
                self._not_before = now + REST * (now - began)

    def _due(self) -> deque[_Waiting[T]]:
        """Take the calls that are to be answered now: all of them, or none as long as the pause lasts."""
        with self._lock:
            self._submitted = False
            early = self._not_before - self._clock()
            if early <= 0 or any(one.urgent for one in self._waiting):
                calls, self._waiting = _in_turn(self._waiting), []
                return calls
            arm = bool(self._waiting) and not self._timer
            self._timer = self._timer or arm
        if arm:
            GLib.timeout_add(int(early * 1000) + 1, self._again)
        return deque()

    def _again(self) -> bool:
        self._timer = False
        self._submit()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _answer_all(self, calls: deque[_Waiting[T]]) -> None:
        problem: BaseException | None = None
        try:
            made = self._make()
            try:
                while calls and (calls[0].caller.uid == ROOT or not self._root_waits()):
                    self._answer(calls.popleft(), made)
            finally:
                self._done(made)
            self._put_back(calls)
        except (ImpermanenceError, OSError) as error:
            log.warning("a call cannot be answered", error=failure_to_text(error))
            problem = error
        finally:
            for one in calls:
                one.call.fail(problem)
                self._forget(one)

    def _answer(self, one: _Waiting[T], made: T) -> None:
        try:
            one.answer(one.call, made, one.caller)
        except (ImpermanenceError, OSError) as error:  # it concerns this call alone
            one.call.fail(error)
        finally:
            if not one.call.answered:
                one.call.fail(None)
            self._forget(one)

    def _root_waits(self) -> bool:
        with self._lock:
            return any(one.caller.uid == ROOT for one in self._waiting)

    def _put_back(self, calls: deque[_Waiting[T]]) -> None:
        """Have those calls wait on that root came before."""
        with self._lock:
            self._waiting = [*calls, *self._waiting]
        calls.clear()

    def _forget(self, one: _Waiting[T]) -> None:
        if one.caller.owner != ROOT:
            with self._lock:
                self._each[one.caller.owner] -= 1
                self._each += Counter()  # drops the owners that have none


def _in_turn(calls: Iterable[_Waiting[T]]) -> deque[_Waiting[T]]:
    """Return the calls with root's first, then one of each owner, then a second of each, and so on."""
    turns: Counter[int] = Counter()

    def place(one: _Waiting[T]) -> tuple[bool, int]:
        turns[one.caller.owner] += 1
        return one.caller.uid != ROOT, turns[one.caller.owner]

    return deque(sorted(calls, key=place))


def _say_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("a call could not be answered", exc_info=error)
