"""How many calls of one user are looked at.

A connection may have 128 calls waiting and a user 256 connections, and each call costs the main loop time
that root's call behind it waits for.  So a user who calls too often is told so, and one who does not listen
gets no answer: then the bus itself refuses further calls of that connection, which has too many without one.

Nobody knows yet whose the first calls of a connection are, and each that waits for that takes memory, so only
a few of them wait.
"""

from __future__ import annotations

import enum
import time
from collections import OrderedDict
from collections.abc import Callable

from ..errors import ServiceError
from .callers import ROOT, Caller, Callers
from .dbus import Call

BURST, RATE = 500.0, 50.0  # calls of one user at once, and then in a second
REFUSALS, REFUSAL_RATE = 100.0, 5.0  # the same of errors about too many calls
OWNERS = 1000  # users whose calls are counted
UNKNOWN = 8  # calls of one connection that wait for the bus to say who calls


class Admission(enum.Enum):
    """What is done with a call."""

    ADMIT = enum.auto()
    REFUSE = enum.auto()  # with an error
    DROP = enum.auto()  # without an answer


class _Allowance:
    """What one user may still do: two buckets that fill up with time."""

    __slots__ = ("calls", "refusals", "then")

    def __init__(self, now: float) -> None:
        self.calls, self.refusals, self.then = BURST, REFUSALS, now

    def take(self, now: float, *, known: bool = True) -> Admission:
        passed, self.then = max(0.0, now - self.then), now
        self.calls = min(BURST, self.calls + RATE * passed)
        self.refusals = min(REFUSALS, self.refusals + REFUSAL_RATE * passed)
        if self.calls >= 1 and known:
            self.calls -= 1
            return Admission.ADMIT
        if self.refusals >= 1:
            self.refusals -= 1
            return Admission.REFUSE
        return Admission.DROP


class Door:
    """The calls that are let in.  Only the main loop's thread uses it."""

    def __init__(self, callers: Callers, clock: Callable[[], float] = time.monotonic) -> None:
        self._callers = callers
        self._clock = clock
        self._allowances: OrderedDict[int, _Allowance] = OrderedDict()
        self._unknown = _Allowance(clock())  # of all whom nobody knows yet

    def guard(self, call: Call, enter: Callable[[], None]) -> None:
        """Call `enter` if the call may come in, once it is known whose it is; else refuse or drop it.

        A caller whom the bus does not know is for the method to refuse.
        """

        if self._callers.unanswered(call.sender) >= UNKNOWN:
            _turn_away(call, self._unknown.take(self._clock(), known=False))
            return

        def known(caller: Caller | None) -> None:
            if (admission := self._of(caller)) is Admission.ADMIT:
                enter()
            else:
                _turn_away(call, admission)

        self._callers.ask(call.sender, known)

    def _of(self, caller: Caller | None) -> Admission:
        if caller is None or caller.uid == ROOT:
            return Admission.ADMIT
        now = self._clock()
        allowance = self._allowances.get(caller.owner)
        if allowance is None:
            allowance = self._allowances[caller.owner] = _Allowance(now)
            if len(self._allowances) > OWNERS:
                self._allowances.popitem(last=False)
        self._allowances.move_to_end(caller.owner)
        return allowance.take(now)


def _turn_away(call: Call, admission: Admission) -> None:
    if admission is Admission.REFUSE:
        call.fail(ServiceError("too many calls of yours in too short a time", "wait a little"))
    else:
        call.drop()
