"""Who calls: the user of each connection, asked of the bus once a connection, without waiting.

Hard facts
    As long as a bus runs, it never gives the unique name of a connection to another one.  So an answer about
    a name holds for ever, and a name that has gone is forgotten only for its memory.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..lazy import NamedTuple
from .departures import Departures
from .frames import Link
from .subids import SubordinateIds

ROOT = 0
KNOWN = 1000  # connections that are remembered


class Caller(NamedTuple):
    """The user at the other end of a connection."""

    sender: str  # the connection's own name
    uid: int
    owner: int  # of the login user whom the uid belongs to; shares are for each owner


Then = Callable[[Caller | None], None]


class Callers:
    """The callers that are known.  The main loop's thread asks; any thread may ask for an owner.

    Close it.
    """

    def __init__(self, link: Link, ids: SubordinateIds | None = None) -> None:
        self._link = link
        self._ids = ids or SubordinateIds()
        self._known: OrderedDict[str, Caller] = OrderedDict()
        self._asked: dict[str, list[Then]] = {}

    @functools.cached_property
    def _departures(self) -> Departures:
        return Departures(self._link.con)

    def ask(self, sender: str, then: Then) -> None:
        """Call `then` with the caller, at once if it is known, or with None if the bus does not say."""
        if (known := self._known.get(sender)) is not None:
            self._known.move_to_end(sender)
            then(known)
            return
        waiting = self._asked.setdefault(sender, [])
        waiting.append(then)
        if len(waiting) == 1:
            self.ask_uid(sender, lambda uid: self._answered(sender, uid))

    def unanswered(self, sender: str) -> int:
        """Return how many wait for the bus to say who is at the other end of this connection."""
        return len(self._asked.get(sender, ()))

    def owner(self, uid: int) -> int:
        """Return the uid of the login user whom a uid belongs to."""
        return self._ids.owner(uid)

    def ask_present(self, sender: str, then: Callable[[bool], None]) -> None:
        """Call `then` with whether a connection is still there; False if the bus does not say."""
        self._link.questions.ask("NameHasOwner", sender, lambda present: then(bool(present)))

    def ask_uid(self, sender: str, then: Callable[[int | None], None]) -> None:
        """Call `then` with the uid of who owns a connection now, as the kernel told the bus, or with None if
        it has gone or is not known.
        """

        def answered(credentials: Any) -> None:
            uid = (credentials or {}).get("UnixUserID")
            then(uid if isinstance(uid, int) else None)

        self._link.questions.ask("GetConnectionCredentials", sender, answered)

    def watch(self, sender: str, gone: Callable[[], None]) -> Callable[[], None]:
        """Call `gone` when a connection closes; return a function that ends this."""
        return self._departures.watch(sender, gone)

    def close(self) -> None:
        """End all watches."""
        if "_departures" in vars(self):
            self._departures.close()

    def _answered(self, sender: str, uid: int | None) -> None:
        caller = None if uid is None else Caller(sender, uid, self._ids.owner(uid))
        if caller is not None:
            self._known[sender] = caller
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        for then in self._asked.pop(sender):
            then(caller)
