"""Calls without end."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from gi.repository import GLib

from impermanenced.bus.introspection import INTERFACE
from impermanenced.system import admission
from impermanenced.system.admission import Admission, Door
from impermanenced.system.callers import Caller, Callers
from impermanenced.system.dbus import PROPERTIES, Call

from .conftest import NOBODY, Bus, wait_until
from .test_service import Served

VERSION = GLib.Variant("(ss)", (INTERFACE, "Version"))


@pytest.fixture
def served(bus: Bus) -> Iterator[Served]:
    with contextlib.closing(Served(bus)) as served:
        yield served


def test_who_calls_too_often_is_told_and_then_gets_no_answer() -> None:
    now = [0.0]
    door = Door(Callers(None), lambda: now[0])  # type: ignore[arg-type]
    alice, also_alice = Caller(":1.1", 1000, 1000), Caller(":1.2", 100_000, 1000)
    found = Counter(door._of(caller) for _ in range(400) for caller in (alice, also_alice))
    assert found == {
        Admission.ADMIT: admission.BURST,
        Admission.REFUSE: admission.REFUSALS,
        Admission.DROP: 800 - admission.BURST - admission.REFUSALS,
    }
    assert door._of(Caller(":1.3", 1001, 1001)) is Admission.ADMIT
    assert {door._of(Caller(":1.0", 0, 0)) for _ in range(2000)} == {Admission.ADMIT}
    now[0] += 1
    assert Counter(door._of(alice) for _ in range(60))[Admission.ADMIT] == admission.RATE
    now[0] -= 100  # a clock that is set back gives nothing
    assert door._of(alice) is not Admission.ADMIT


def test_users_who_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "OWNERS", 10)
    door = Door(Callers(None))  # type: ignore[arg-type]
    for uid in range(1, 100):
        door._of(Caller(":1.1", uid, uid))
    assert len(door._allowances) == 10


class Invocation:
    """The part of a Gio.DBusMethodInvocation that an error needs."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def return_dbus_error(self, name: str, message: str) -> None:
        self.errors.append(message)

    def _unref(self) -> None: ...


def test_few_calls_wait_for_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may send 128 calls before the bus has said whose it is, and a user opens hundreds."""
    answers: list[Callable[[int | None], None]] = []
    callers = Callers(None)  # type: ignore[arg-type]
    monkeypatch.setattr(callers, "ask_uid", lambda sender, then: answers.append(then))
    monkeypatch.setattr(admission, "REFUSALS", 3.0)
    door = Door(callers, lambda: 0.0)
    entered: list[str] = []
    invocations = []
    for number in range(admission.UNKNOWN + 10):
        invocations.append(Invocation())
        call = Call(invocations[-1], ":1.1", None)
        door.guard(call, lambda number=number: entered.append(f"{number}"))  # type: ignore[misc]
    root = Call(Invocation(), ":1.2", None)
    door.guard(root, lambda: entered.append("root"))
    assert not entered and len(answers) == 2
    told = [bool(one.errors) for one in invocations[admission.UNKNOWN :]]
    assert told == [True] * 3 + [False] * 7, "and then none gets an answer"
    answers[1](0)
    answers[0](NOBODY)
    assert entered == ["root", *map(str, range(admission.UNKNOWN))]
    door.guard(Call(Invocation(), ":1.1", None), lambda: entered.append("later"))
    assert entered[-1] == "later"


def test_a_dropped_call_leaves_the_connection_to_others(
    bus: Bus, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BURST", 3.0)
    monkeypatch.setattr(admission, "RATE", 0.0)
    monkeypatch.setattr(admission, "REFUSALS", 2.0)
    monkeypatch.setattr(admission, "REFUSAL_RATE", 0.0)
    served.callers.be(NOBODY)
    calls = [served.start_call(PROPERTIES, "Get", VERSION) for _ in range(10)]
    wait_until(lambda: sum(map(bool, calls)) == 5, "three answers and two refusals")
    served.callers.be(0)
    assert served.call(PROPERTIES, "Get", VERSION)[0] == ("1",)
    said = [call[0] for call in calls if call]
    assert [one[0] for one in said[:3]] == [("1",)] * 3
    assert all("too many calls of yours" in message for _, message in said[3:])
    assert sum(map(bool, calls)) == 5, "and the others wait"
