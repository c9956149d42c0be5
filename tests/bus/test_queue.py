"""Whose turn it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from impermanenced.bus import queue
from impermanenced.bus.queue import CallQueue
from impermanenced.errors import ServiceError
from impermanenced.system.callers import ROOT, Caller

ALICE, BOB = 1000, 1001


class Steps(Executor):
    """An executor that does what was submitted when it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.work.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def run(self) -> None:
        while self.work:
            self.work.pop(0)()


class Asked:
    """What a queue sees of a call."""

    def __init__(self) -> None:
        self.got: object = None

    @property
    def answered(self) -> bool:
        return self.got is not None

    def fail(self, error: BaseException | None) -> None:
        self.got = error or "internal"


class Office:
    """A queue, and who got what from it, in order."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.made = 0
        self.now = 0.0
        self.order: list[tuple[int, int]] = []  # uid, which answer
        self.while_answering: Callable[[int], None] = lambda uid: None
        self.queue: CallQueue[int] = CallQueue(self.steps, self._make, lambda: self.now)

    def _make(self) -> int:
        self.made += 1
        return self.made

    def ask(self, uid: int, owner: int | None = None) -> Asked:
        call: Any = Asked()
        self.queue.ask(call, self._answer, Caller(f":1.{uid}", uid, uid if owner is None else owner))
        return call  # type: ignore[no-any-return]

    def _answer(self, call: Any, made: int, caller: Caller) -> None:
        call.got = made
        self.order.append((caller.uid, made))
        self.while_answering(caller.uid)


def test_root_comes_first_and_users_take_turns() -> None:
    office = Office()
    for uid in (ALICE, ALICE, ALICE, BOB, ROOT, BOB):
        office.ask(uid)
    office.steps.run()
    assert [uid for uid, _ in office.order] == [ROOT, ALICE, BOB, ALICE, BOB, ALICE]
    assert office.made == 1


def test_a_users_other_uids_get_no_turn_of_their_own() -> None:
    office = Office()
    for number in range(3):
        office.ask(100_000 + number, ALICE)
    office.ask(BOB)
    office.steps.run()
    assert [uid for uid, _ in office.order] == [100_000, BOB, 100_001, 100_002]


def test_root_is_served_between_any_two_answers() -> None:
    office = Office()
    asked = [office.ask(ALICE) for _ in range(3)]

    def root_asks(uid: int) -> None:
        if office.order == [(ALICE, 1)]:
            asked.append(office.ask(ROOT))

    office.while_answering = root_asks
    office.steps.run()
    # What root asked for is made after root asked, and the others have it with root.
    assert office.order == [(ALICE, 1), (ROOT, 2), (ALICE, 2), (ALICE, 2)]
    assert all(call.answered for call in asked)
    assert not office.queue._each


def test_waiting_calls_are_bounded_but_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "EACH", 2)
    monkeypatch.setattr(queue, "ALL", 5)
    office = Office()
    alices = [office.ask(100_000 + number, ALICE) for number in range(3)]
    others = [office.ask(uid) for uid in (BOB, 1002, 1003, 1004)]
    roots = [office.ask(ROOT) for _ in range(5)]
    refused = [call for call in (*alices, *others, *roots) if isinstance(call.got, ServiceError)]
    assert refused == [alices[2], others[3]]
    assert "of yours" in str(alices[2].got) and "of all users" in str(others[3].got)
    office.steps.run()
    assert office.ask(ALICE).got is None, "and they may ask again"


@pytest.mark.parametrize("error", [ServiceError("no"), OSError(24, "Too many open files")])
def test_one_answer_that_fails_is_one_callers_alone(error: Exception) -> None:
    office = Office()
    calls = [office.ask(ALICE), office.ask(BOB)]

    def fail(uid: int) -> None:
        if uid == ALICE:
            calls[0].got = None
            raise error

    office.while_answering = fail
    office.steps.run()
    assert [call.got for call in calls] == [error, 1]


def test_when_nothing_can_be_made_all_are_told() -> None:
    office = Office()
    calls = [office.ask(ALICE), office.ask(ROOT)]
    failure = ServiceError("no")

    def fail() -> int:
        raise failure

    office.queue._make = fail
    office.steps.run()
    assert [call.got for call in calls] == [failure, failure]
    assert not office.queue._each
