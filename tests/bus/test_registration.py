"""What a registration keeps of the calls that it has answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import Gio, GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.system import dbus
from impermanenced.system.dbus import PROPERTIES, Call, Registration, request_name

from .conftest import Bus, wait_until

CALLS = 50
XML = f"""<node><interface name="{INTERFACE}"><method name="Ask"><arg type="s" direction="out"/></method>
<property name="Colour" type="s" access="read"/></interface></node>"""


def at_once(call: Call) -> None:
    call.reply(GLib.Variant("(s)", ("blue",)))


def later(call: Call) -> None:
    def answer() -> bool:
        at_once(call)
        return bool(GLib.SOURCE_REMOVE)

    GLib.idle_add(answer)


def refuse(call: Call) -> None:
    call.fail(None)


@pytest.mark.parametrize("second_form", [False, True])
@pytest.mark.parametrize("answer", [at_once, later, refuse, Call.drop])
def test_an_answered_call_is_forgotten(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Call], None], second_form: bool
) -> None:
    """Where PyGObject dropped a reference as well as we, the daemon crashed; if neither does, 3 kB stay."""
    monkeypatch.setattr(dbus, "_SECOND_FORM", dbus._SECOND_FORM and second_form)
    forgotten: list[None] = []
    answers: list[Any] = []

    def ask(call: Call) -> None:
        call._invocation.weak_ref(lambda: forgotten.append(None))
        answer(call)

    server, caller = bus.connect(), bus.connect()
    properties = {"Colour": lambda: GLib.Variant("s", "blue")}
    registration = Registration(server, OBJECT_PATH, XML, {"Ask": ask}, properties)
    request_name(server, BUS_NAME)

    def send(interface: str, method: str, parameters: Any) -> None:
        caller.call(
            BUS_NAME, OBJECT_PATH, interface, method, parameters, None, Gio.DBusCallFlags.NONE, -1, None,
            lambda _con, it: answers.append(it),
        )  # fmt: skip

    for _ in range(CALLS):
        send(INTERFACE, "Ask", None)
    wait_until(lambda: len(forgotten) == CALLS, "each invocation to go")
    silent = answer is Call.drop
    send(PROPERTIES, "Get", GLib.Variant("(ss)", (INTERFACE, "Colour")))
    wait_until(lambda: len(answers) == (0 if silent else CALLS) + 1, "an answer to each that gets one")
    assert caller.call_finish(answers[-1]).unpack() == ("blue",)
    assert len(forgotten) == CALLS
    registration.close()
