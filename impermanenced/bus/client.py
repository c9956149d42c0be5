"""The client of the daemon's reports."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import pydbus
from gi.repository import Gio, GLib

from ..document.declared import states_from_json
from ..document.report import report_from_json
from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..keep.state import Declared
from ..lazy import Deferred
from ..model import Report
from ..system.dbus import Address, get_property, has_owner
from .introspection import BUS_NAME, INTERFACE, OBJECT_PATH
from .patience import SILENT, Patience, Progress

TICK = 1000  # milliseconds between two questions whether the daemon gets further
ASKED = 5000  # milliseconds for the answer
LOOKED = 60_000  # milliseconds for a look at every declaration
_NEVER = 2**31 - 1  # milliseconds, for Gio

DAEMON = Address(BUS_NAME, OBJECT_PATH, INTERFACE)

_REFUSED = {NotPermitted.dbus_name, "org.freedesktop.DBus.Error.AccessDenied"}
GONE = {"org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown"}
CLOSED = "org.freedesktop.DBus.Error.NoReply"  # the connection closed before it answered

Waiting = Callable[[float], None]  # seconds so far

_arrival = Deferred("impermanenced.bus.arrival")


def _quietly(seconds: float) -> None:
    pass


def connect() -> Any | None:
    """Return a connection of our own to the system bus, or None: a shared one of Gio would outlive
    the call.
    """
    try:
        return pydbus.connect(Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None))
    except GLib.Error:
        return None


def _read(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()


def name_and_message(error: Any) -> tuple[str, str]:
    """Return the name and the message of an error; Gio's own way to take the name off changes only a copy."""
    name = Gio.DBusError.get_remote_error(error) or ""
    return name, error.message.removeprefix(f"GDBus.Error:{name}: ")


def explain(error: Any) -> ImpermanenceError:
    """Return an error of the bus as one of ours."""
    name, text = name_and_message(error)
    message, _, hint = text.partition("\nhint: ")
    if name in _REFUSED:
        return NotPermitted(f"impermanenced: {message}", hint or None)
    return ServiceError(f"impermanenced: {message}", hint or "journalctl -u impermanenced")


def fetch_report(
    config_file: bytes,
    waiting: Waiting = _quietly,
    patience: Patience | None = None,
    starting: Waiting = _quietly,
) -> Report | None:
    """Return the report of the daemon that runs with this configuration file, or None if none does.

    The daemon is not started for this, but one that is still being loaded is waited for.  There is no time
    limit, as long as the daemon gets further, with its start or with the report; `starting` and `waiting` are
    called once in a while, with the seconds so far.  Raises NotPermitted, or ServiceError, also if the daemon
    sends something that is no report to this program.
    """

    def ask(con: Any) -> int:
        return _Status(con, waiting, patience or Patience()).wait()

    content = _fetch(config_file, ask, starting)
    return None if content is None else report_from_json(content)


def fetch_declarations(config_file: bytes, starting: Waiting = _quietly) -> list[Declared] | None:
    """Return the state of each declaration that the caller may see, or None if no daemon runs with this
    configuration file.  Waits and raises as `fetch_report` does.
    """

    def ask(con: Any) -> int:
        flags = Gio.DBusCallFlags.NO_AUTO_START
        answer, fds = con.call_with_unix_fd_list_sync(
            *DAEMON, "Declarations", None, GLib.VariantType("(h)"), flags, LOOKED, None, None
        )
        return int(fds.get(answer.unpack()[0]))

    content = _fetch(config_file, ask, starting)
    return None if content is None else states_from_json(content)


def answers() -> bool:
    """Return whether a daemon has its name on the bus, with whatever configuration."""
    return _ask_of_daemon(lambda con: has_owner(con, BUS_NAME))


def is_running() -> bool:
    """Return whether a daemon runs, with whatever configuration, or is being loaded."""
    return _ask_of_daemon(lambda con: has_owner(con, BUS_NAME) or _arrival.is_starting(con))


def arrives(con: Any, starting: Waiting = _quietly) -> bool:
    """Return whether a daemon has its name; one that is being loaded is waited for.

    Raises ServiceError if it does not get any further, and GLib.Error where the bus does not answer.
    """
    return has_owner(con, BUS_NAME) or bool(_arrival.wait(con, starting))


def _ask_of_daemon(question: Callable[[Any], bool]) -> bool:
    bus = connect()
    if bus is None:
        return False
    with bus, contextlib.suppress(GLib.Error):
        return question(bus.con)
    return False


def _fetch(config_file: bytes, ask: Callable[[Any], int], starting: Waiting) -> bytes | None:
    """Return the document that `ask` gets a descriptor of, or None if no daemon has this configuration."""
    bus = connect()
    if bus is None:
        return None
    with bus:
        try:
            if not arrives(bus.con, starting):
                return None
            theirs = get_property(bus.con, DAEMON, "ConfigFile", timeout=int(SILENT * 1000))
            if os.path.abspath(bytes(theirs)) != os.path.abspath(config_file):
                return None
            return _read(ask(bus.con))
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) in GONE:
                return None
            raise explain(error) from None


class _Status:
    """A call of Status, which has no time limit of its own."""

    def __init__(self, con: Any, waiting: Waiting, patience: Patience) -> None:
        self._con = con
        self._waiting = waiting
        self._patience = patience
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._cancel = Gio.Cancellable()
        self._answer: Any = None
        self._why: str | None = None

    def wait(self) -> int:
        """Return the descriptor of the answer.  Raises GLib.Error, or ServiceError if waiting is no use."""
        timer = GLib.timeout_source_new(TICK)
        timer.set_callback(self._tick)
        # The answer comes to a context of our own: the program may have a main loop, which must not turn.
        self._context.push_thread_default()
        try:
            timer.attach(self._context)
            self._con.call_with_unix_fd_list(
                *DAEMON, "Status", None, GLib.VariantType("(h)"), Gio.DBusCallFlags.NO_AUTO_START,
                _NEVER, None, self._cancel, self._answered,
            )  # fmt: skip
            self._loop.run()
        finally:
            timer.destroy()
            self._context.pop_thread_default()
        if self._why is not None:
            waited = f"{self._patience.waited:.0f} s"
            hint = "journalctl -u impermanenced"
            raise ServiceError(f"impermanenced runs, but gave no report in {waited}: {self._why}", hint)
        answer, fds = self._con.call_with_unix_fd_list_finish(self._answer)
        return int(fds.get(answer.unpack()[0]))

    def _answered(self, _con: Any, result: Any) -> None:
        self._answer = result
        self._loop.quit()

    def _tick(self, *_: object) -> bool:
        self._waiting(self._patience.waited)
        progress: Progress | None = None
        try:
            progress = get_property(self._con, DAEMON, "Progress", timeout=ASKED)
        except GLib.Error as error:
            if Gio.DBusError.get_remote_error(error) in GONE | {CLOSED}:
                return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]  # the call's own answer says so
        if self._why is None and self._answer is None:
            self._why = self._patience.heard(progress)
            if self._why is not None:
                self._cancel.cancel()  # the answer is then that it was cancelled, and the loop ends
        return GLib.SOURCE_CONTINUE  # type: ignore[no-any-return]
