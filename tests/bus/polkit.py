"""polkit on a bus of our own: the real one, and one that answers as the test wants, on the same interface."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from gi.repository import GLib

from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from impermanenced.system.dbus import Call, Registration, request_name

from ..isolation import PATIENCE
from .conftest import REPOSITORY, Bus, a_bus, wait_until

NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"
POLKITD = "/usr/lib/polkit-1/polkitd"
POLICY = f"""
  <policy context="default"><allow send_destination="{NAME}"/></policy>
  <policy user="polkitd"><allow own="{NAME}"/></policy>
  <policy user="root"><allow own="{NAME}"/></policy>
"""
Answer = tuple[bool, bool, dict[str, str]]  # authorized, a challenge is possible, details
YES: Answer = (True, False, {})
NO: Answer = (False, False, {})
CHALLENGE: Answer = (False, True, {})


class FakePolkit:
    """Holds every question until `answer` is called."""

    XML = f"""<node><interface name="{NAME}.Authority">
        <method name="CheckAuthorization">
            <arg name="subject" type="(sa{{sv}})" direction="in"/>
            <arg name="action_id" type="s" direction="in"/>
            <arg name="details" type="a{{ss}}" direction="in"/>
            <arg name="flags" type="u" direction="in"/>
            <arg name="cancellation_id" type="s" direction="in"/>
            <arg name="result" type="(bba{{ss}})" direction="out"/>
        </method>
        <method name="CancelCheckAuthorization">
            <arg name="cancellation_id" type="s" direction="in"/>
        </method></interface></node>"""

    def __init__(self, bus: Bus) -> None:
        self.con = bus.connect()
        self.held: list[Call] = []
        self.asked: list[Any] = []  # what the questions said
        self.cancelled: list[str] = []
        methods = {"CheckAuthorization": self._check, "CancelCheckAuthorization": self._cancel}
        self.registration = Registration(self.con, PATH, self.XML, methods, {})
        request_name(self.con, NAME)

    def _check(self, call: Call) -> None:
        self.asked.append(call.parameters.unpack())
        self.held.append(call)

    def _cancel(self, call: Call) -> None:
        self.cancelled.extend(call.parameters.unpack())
        call.reply(None)

    def answer(self, answer: Answer) -> None:
        wait_until(lambda: self.held, "a question")
        self.held.pop(0).reply(GLib.Variant("((bba{ss}))", (answer,)))

    def close(self) -> None:
        self.con.close_sync(None)


@contextlib.contextmanager
def a_bus_with_polkit() -> Iterator[Bus]:
    with a_bus(POLICY) as bus:
        yield bus


@contextlib.contextmanager
def real_polkit(bus: Bus, rules: str = "") -> Iterator[None]:
    """Debian's polkitd with our policy file and these rules, in a mount namespace of its own."""
    actions, rules_d = bus.directory / "actions", bus.directory / "rules.d"
    for directory in (actions, rules_d):
        directory.mkdir(mode=0o755)
    shutil.copy(REPOSITORY / "systemd/polkit/org.impermanence.policy", actions)
    shutil.copy("/usr/share/polkit-1/actions/org.freedesktop.policykit.policy", actions)
    (rules_d / "10-test.rules").write_text(rules)
    script = (
        'mount --bind "$1" /usr/share/polkit-1/actions && mount --bind "$2" /usr/share/polkit-1/rules.d && '
        'mount -t tmpfs none /etc/polkit-1 && mkdir /etc/polkit-1/rules.d && exec "$3" --no-debug'
    )
    arguments = ["sh", "-c", script, "sh", os.fspath(actions), os.fspath(rules_d), POLKITD]
    argv = ["unshare", "--mount", "--propagation=private", *arguments]
    with subprocess.Popen(argv, env=bus.environment, stdout=subprocess.DEVNULL) as process:
        try:
            con = bus.connect()
            wait_until(lambda: has_owner(con, NAME) or process.poll() is not None, "polkitd")
            assert process.poll() is None
            yield
        finally:
            process.terminate()


def has_owner(con: Any, name: str) -> bool:
    arguments = GLib.Variant("(s)", (name,))
    bus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    return bool(con.call_sync(*bus, "NameHasOwner", arguments, None, 0, 5000, None).unpack()[0])


CALLER = """\
import json, os, sys
from gi.repository import Gio, GLib
uid, path, name, interface, method, kind, arguments, flags = json.loads(sys.argv[1])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
as_client = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
address = os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
con = Gio.DBusConnection.new_for_address_sync(address, as_client, None, None)
print(con.get_unique_name(), flush=True)
try:
    value, fds = con.call_with_unix_fd_list_sync(name, path, interface, method,
        GLib.Variant(kind, arguments) if kind else None, None, Gio.DBusCallFlags(flags), 60000, None, None)
    answer = value.unpack()
    if fds is not None:
        answer = [os.fdopen(fds.get(0)).read()]
    print(json.dumps(list(answer)))
except GLib.Error as error:
    name = Gio.DBusError.get_remote_error(error)
    print(json.dumps({"error": name, "message": error.message}))
"""
INTERACTIVE = 2  # GDBusCallFlags


class Caller:
    """A call by another user, in a process of its own."""

    def __init__(
        self,
        bus: Bus,
        uid: int,
        method: str,
        kind: str = "",
        arguments: Any = (),
        *,
        interactive: bool = False,
    ) -> None:
        flags = INTERACTIVE if interactive else 0
        what = json.dumps([uid, OBJECT_PATH, BUS_NAME, INTERFACE, method, kind, arguments, flags])
        argv = [sys.executable, "-c", CALLER, what]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(argv, env=bus.environment, stdout=self._said, cwd="/")

    def _read(self) -> list[str]:
        return os.pread(self._said.fileno(), 1 << 20, 0).decode().split("\n")[:-1]

    def name(self) -> str:
        wait_until(self._read, "the caller's name")
        return self._read()[0]

    def answer(self) -> Any:
        wait_until(lambda: len(self._read()) > 1, "an answer")
        self.process.wait(PATIENCE)
        return json.loads(self._read()[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
