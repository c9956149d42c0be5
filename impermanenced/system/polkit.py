"""Questions to polkit whether a caller may do something, without waiting for the answer.

The answer is no if polkit is missing, fails or takes too long, or if the caller has gone meanwhile.  All
of this runs in the main loop's thread and never waits: an open dialog delays only its own caller.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from gi.repository import Gio, GLib

from ..errors import NotPermitted, ServiceError
from . import logger
from .callers import Caller, Callers
from .dbus import CALL_TIMEOUT, Call

# Name, path, interface.
_POLKIT = (
    "org.freedesktop.PolicyKit1",
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1.Authority",
)
ALLOW_USER_INTERACTION = 1  # polkitcheckauthorizationflags.h

DIALOG = 120_000  # milliseconds for a person to type a password
EACH = 4  # questions that one user may have open, whatever uids it has

log = logger.get()

Then = Callable[[Caller], None]


class Authority:
    """The questions that are open at polkit."""

    def __init__(self, con: Any, callers: Callers, patience: int = DIALOG) -> None:
        self._con = con
        self._callers = callers
        self._patience = patience
        self._numbers = itertools.count(1)
        self._open: Counter[int] = Counter()

    def ask(self, call: Call, action: str, details: Mapping[str, str], then: Then) -> None:
        """Call `then` with the caller if that may do this; answer the call with NotPermitted if not."""

        def known(caller: Caller | None) -> None:
            if caller is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            elif caller.uid == 0:  # root could do it without us
                call.attempt(lambda: then(caller))
            elif self._open[caller.owner] >= EACH:
                call.fail(ServiceError("too many authorizations of yours are open", "answer these first"))
            else:
                self._open[caller.owner] += 1
                patience = self._patience if call.interactive else min(self._patience, CALL_TIMEOUT)
                number = str(next(self._numbers))
                question = _Question(
                    self._con, self._callers, call, caller, action, number, then,
                    lambda: self._closed(caller.owner),
                )  # fmt: skip
                question.put(details, patience)

        self._callers.ask(call.sender, known)

    def _closed(self, owner: int) -> None:
        self._open[owner] -= 1
        if not self._open[owner]:
            del self._open[owner]


class _Question:
    """One question to polkit, until its answer."""

    def __init__(
        self,
        con: Any,
        callers: Callers,
        call: Call,
        caller: Caller,
        action: str,
        number: str,
        then: Then,
        closed: Callable[[], None],
    ) -> None:
        self._con = con
        self._callers = callers
        self._call = call
        self._caller = caller
        self._action = action
        self._number = number  # by which it can be taken back
        self._then = then
        self._closed = closed
        self._gone = False

    def put(self, details: Mapping[str, str], patience: int) -> None:
        self._forget_caller = self._callers.watch(self._call.sender, self._vanished)
        subject = ("system-bus-name", {"name": GLib.Variant("s", self._call.sender)})
        flags = ALLOW_USER_INTERACTION if self._call.interactive else 0
        arguments = (subject, self._action, dict(details), flags, self._number)
        self._send(
            "CheckAuthorization",
            GLib.Variant("((sa{sv})sa{ss}us)", arguments),
            "((bba{ss}))",
            patience,
            self._answered,
        )

    def _send(self, method: str, arguments: Any, answer: str, patience: int, then: Any) -> None:
        kind = GLib.VariantType(answer)
        flags = Gio.DBusCallFlags.NONE
        self._con.call(*_POLKIT, method, arguments, kind, flags, patience, None, then)

    def _vanished(self) -> None:
        self._gone = True
        self._take_back()

    def _take_back(self) -> None:
        """Close the dialog; polkit then answers the question with an error."""
        number = GLib.Variant("(s)", (self._number,))
        self._send("CancelCheckAuthorization", number, "()", CALL_TIMEOUT, _ignore)

    def _answered(self, con: Any, result: Any) -> None:
        self._forget_caller()
        self._closed()
        try:
            ((authorized, challenge, _details),) = con.call_finish(result).unpack()
        except GLib.Error as error:
            if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT):
                self._take_back()
            if not self._gone:
                log.info("polkit gave no answer", action=self._action, error=error.message)
            self._refuse("there is no answer from polkit")
            return
        if self._gone or not authorized:
            silent = challenge and not self._call.interactive
            self._refuse("needs an authorization that the call does not let us ask for" if silent else "no")
        else:
            self._callers.ask_uid(self._call.sender, self._still_there)

    def _still_there(self, uid: int | None) -> None:
        if uid == self._caller.uid:
            self._call.attempt(lambda: self._then(self._caller))
        else:
            self._refuse("the caller has gone")

    def _refuse(self, why: str) -> None:
        self._call.fail(NotPermitted(f"{self._action}: {why}", "run it as root"))


def _ignore(con: Any, result: Any) -> None:
    """Ignore the answer to a cancellation: the question may be answered already, or polkit be gone."""
    try:
        con.call_finish(result)
    except GLib.Error as error:
        log.debug("polkit took nothing back", error=error.message)
