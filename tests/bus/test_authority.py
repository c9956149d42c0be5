"""Who may do what: polkit decides, is asked by the book, and keeps nobody else waiting."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib

from impermanenced.bus.introspection import INTERFACE
from impermanenced.system import polkit as system_polkit
from impermanenced.system.dbus import PROPERTIES

from .conftest import NOBODY, Bus, wait_until
from .polkit import (
    CHALLENGE,
    NAME,
    NO,
    PATH,
    POLKITD,
    YES,
    Caller,
    FakePolkit,
    a_bus_with_polkit,
    real_polkit,
)
from .test_service import Served

NOT_PERMITTED = "org.impermanence.Error.NotPermitted"


@pytest.fixture
def bus() -> Iterator[Bus]:
    with a_bus_with_polkit() as bus:
        yield bus


@pytest.fixture
def polkit(bus: Bus) -> Iterator[FakePolkit]:
    with contextlib.closing(FakePolkit(bus)) as polkit:
        yield polkit


@pytest.fixture
def served(bus: Bus) -> Iterator[Served]:
    with contextlib.closing(Served(bus)) as served:
        yield served


def ask(bus: Bus, number: int = 2, *, interactive: bool = False, uid: int = NOBODY) -> Caller:
    return Caller(bus, uid, "Next", "(si)", ["keep", number], interactive=interactive)


@pytest.mark.parametrize("interactive", [False, True])
def test_polkit_is_asked_about_the_connection_that_asks(
    bus: Bus, polkit: FakePolkit, served: Served, interactive: bool
) -> None:
    caller = ask(bus, interactive=interactive)
    polkit.answer(YES)
    assert caller.answer() == ["keep 2"]
    assert served.requests == [("keep", 2)]
    subject, action, details, flags, cancellation = polkit.asked[0]
    assert subject == ("system-bus-name", {"name": caller.name()})
    assert action == "org.impermanence.next"
    assert details == {"action": "keep", "number": "2"}
    assert flags == (1 if interactive else 0), "a dialog opens only where the caller lets it"
    assert cancellation


@pytest.mark.parametrize("answer", [NO, CHALLENGE])
def test_what_is_not_yes_is_no(bus: Bus, polkit: FakePolkit, served: Served, answer: Any) -> None:
    caller = ask(bus)
    polkit.answer(answer)
    assert caller.answer()["error"] == NOT_PERMITTED
    assert not served.requests


def test_an_error_of_polkit_is_no(bus: Bus, polkit: FakePolkit, served: Served) -> None:
    caller = ask(bus)
    wait_until(lambda: polkit.held, "the question")
    polkit.held.pop().fail(None)
    assert caller.answer()["error"] == NOT_PERMITTED
    assert not served.requests


def test_without_polkit_it_is_no(bus: Bus, served: Served) -> None:
    assert ask(bus, interactive=True).answer()["error"] == NOT_PERMITTED
    assert Caller(bus, NOBODY, "Rescan").answer()["error"] == NOT_PERMITTED
    assert Caller(bus, NOBODY, "StatusAll").answer()["error"] == NOT_PERMITTED
    assert not served.requests and not served.reports


def test_root_is_not_asked(bus: Bus, served: Served) -> None:
    assert ask(bus, uid=0).answer() == ["keep 2"]


def test_no_answer_in_time_is_no_and_closes_the_dialog(bus: Bus, polkit: FakePolkit) -> None:
    with contextlib.closing(Served(bus, patience=50)) as served:
        assert ask(bus, interactive=True).answer()["error"] == NOT_PERMITTED
        wait_until(lambda: polkit.cancelled, "the dialog to be closed")
        assert polkit.cancelled == [polkit.asked[0][4]]
        assert not served.requests


def test_an_open_dialog_keeps_nobody_else_waiting(bus: Bus, polkit: FakePolkit, served: Served) -> None:
    caller = ask(bus, interactive=True)
    wait_until(lambda: polkit.held, "the dialog")
    assert isinstance(served.call(INTERFACE, "Status")[0], tuple)
    assert isinstance(served.call(INTERFACE, "Boots")[0], tuple)
    version = GLib.Variant("(ss)", (INTERFACE, "Version"))
    assert served.call(PROPERTIES, "Get", version)[0] == ("1",)
    report = json.loads(Caller(bus, NOBODY, "Status").answer()[0])
    assert [entry["path"] for entry in report["entries"]] == ["/b"]
    other = ask(bus, 3)
    wait_until(lambda: len(polkit.held) == 2, "the other question")
    polkit.held.reverse()
    polkit.answer(YES)
    assert other.answer() == ["keep 3"]
    polkit.answer(YES)
    assert caller.answer() == ["keep 2"]


def test_a_caller_that_has_gone_may_nothing(bus: Bus, polkit: FakePolkit, served: Served) -> None:
    caller = ask(bus, interactive=True)
    wait_until(lambda: polkit.held, "the dialog")
    caller.kill()
    wait_until(lambda: polkit.cancelled, "the dialog to be closed")
    polkit.answer(YES)
    again = ask(bus, 3)
    polkit.answer(YES)
    assert again.answer() == ["keep 3"]
    assert served.requests == [("keep", 3)]


def test_a_caller_that_goes_with_the_answer_may_nothing(
    bus: Bus, polkit: FakePolkit, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody noticed it go: the bus is asked again after polkit's yes."""
    monkeypatch.setattr(served.callers, "watch", lambda sender, gone: lambda: None)
    caller = ask(bus)
    wait_until(lambda: polkit.held, "the question")
    caller.kill()
    polkit.answer(YES)
    again = ask(bus, 3)
    polkit.answer(YES)
    assert again.answer() == ["keep 3"]
    assert served.requests == [("keep", 3)]


def test_one_user_opens_so_many_dialogs(bus: Bus, polkit: FakePolkit, served: Served) -> None:
    callers = [ask(bus, number, interactive=True) for number in range(1, system_polkit.EACH + 1)]
    wait_until(lambda: len(polkit.held) == system_polkit.EACH, "the dialogs")
    assert "too many" in ask(bus, interactive=True).answer()["message"]
    assert ask(bus, uid=0).answer() == ["keep 2"]
    for _ in callers:
        polkit.answer(NO)
    assert all(caller.answer()["error"] == NOT_PERMITTED for caller in callers)
    caller = ask(bus, interactive=True)
    polkit.answer(YES)
    assert caller.answer() == ["keep 2"]


def test_all_users_are_shown_to_who_may_see_them(bus: Bus, polkit: FakePolkit, served: Served) -> None:
    caller = Caller(bus, NOBODY, "StatusAll", interactive=True)
    polkit.answer(YES)
    report = json.loads(caller.answer()[0])
    assert len(report["entries"]) == 3
    assert polkit.asked[0][1] == "org.impermanence.status-all"
    caller = Caller(bus, NOBODY, "Rescan")
    polkit.answer(YES)
    assert caller.answer() == [3]
    assert polkit.asked[1][1] == "org.impermanence.rescan"


def test_questions_leave_nothing_behind(bus: Bus, polkit: FakePolkit) -> None:
    with contextlib.closing(Served(bus)) as served:
        caller = ask(bus)
        polkit.answer(NO)
        caller.answer()
        assert not served.service._authority._open


# The real one


needs_polkit = pytest.mark.skipif(not Path(POLKITD).exists(), reason="needs polkitd: apt-get install polkitd")


@needs_polkit
def test_polkit_itself_decides(bus: Bus, served: Served) -> None:
    rule = """
        polkit.addRule(function(action, subject) {
            if (action.id == "org.impermanence.next" && action.lookup("action") == "keep"
                    && action.lookup("number") == "2" && subject.user == "nobody")
                return polkit.Result.YES;
        });"""
    with real_polkit(bus, rule):
        assert ask(bus).answer() == ["keep 2"]
        refused = ask(bus, 3).answer()
        assert refused["error"] == NOT_PERMITTED
        assert "needs an authorization" in refused["message"]
        assert ask(bus, 3, interactive=True).answer()["error"] == NOT_PERMITTED, "there is no agent to ask"
        assert Caller(bus, NOBODY, "StatusAll").answer()["error"] == NOT_PERMITTED
        assert served.requests == [("keep", 2)]


@needs_polkit
def test_the_policy_file_has_every_action(bus: Bus) -> None:
    with real_polkit(bus):
        for action in ("next", "rescan", "status-all"):
            argv = ["pkaction", "--verbose", "--action-id", f"org.impermanence.{action}"]
            shown = subprocess.run(argv, env=bus.environment, check=True, capture_output=True, text=True)
            assert "implicit any:      auth_admin\n" in shown.stdout


@needs_polkit
def test_the_fake_has_the_methods_of_the_real_one(bus: Bus) -> None:
    with real_polkit(bus):
        con = bus.connect()
        introspectable = "org.freedesktop.DBus.Introspectable"
        answer = con.call_sync(NAME, PATH, introspectable, "Introspect", None, None, 0, 5000, None)
    (xml,) = answer.unpack()
    real = Gio.DBusNodeInfo.new_for_xml(xml).lookup_interface(f"{NAME}.Authority")
    fake = Gio.DBusNodeInfo.new_for_xml(FakePolkit.XML).interfaces[0]
    for method in fake.methods:
        theirs = real.lookup_method(method.name)
        assert [arg.signature for arg in method.in_args] == [arg.signature for arg in theirs.in_args]
        assert [arg.signature for arg in method.out_args] == [arg.signature for arg in theirs.out_args]
