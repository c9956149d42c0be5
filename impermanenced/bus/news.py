"""The news of the daemon for its followers: root gets all of it, another user what belongs to that user."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gi.repository import GLib

from ..alerts.group import ROOT, Alert, Rest
from ..config.values import PATH_MAX
from ..document.fields import dump
from ..document.news import Announcement, Overflow, Reached, Sum, Undeclared, news_to_json
from ..errors import NotPermitted, ServiceError
from ..system.dbus import Call, ask_uid, watch_caller

REMEMBERED = 200  # news for root that are remembered
REMEMBERED_EACH = 50  # news for another user that are remembered
USERS = 100
FOLLOWERS = 200
FOLLOWERS_EACH = 8


def fitting(path: bytes) -> bytes:
    """Return the path, or a directory above it: the bus closes the connection of a sender of too large
    messages.
    """
    return path if len(path) < PATH_MAX else path[:PATH_MAX].rpartition(b"/")[0]


def _of_alert(alert: Alert, now: float) -> Undeclared:
    path = fitting(alert.path)
    return Undeclared(now, path, alert.change, alert.loss, alert.size, alert.count, alert.writer)


def _of_rest(rest: Rest, now: float, *, boot: bool = False) -> Sum:
    return Sum(now, fitting(rest.path), rest.size, rest.count, boot)


@dataclass(slots=True)
class _User:
    last: deque[str]
    followers: dict[str, Callable[[], None]] = field(default_factory=dict)  # connection: ends the watch on it


class News:
    """The followers and their news.  The worker adds news, and the main loop's thread adds followers."""

    def __init__(
        self, con: Any, send: Callable[[str, str], None], clock: Callable[[], float] = time.time
    ) -> None:
        """Begin without followers; `send` is called with a connection and the news as JSON."""
        self._con = con
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._users: dict[int, _User] = {ROOT: _User(deque(maxlen=REMEMBERED))}

    # News

    def alert(self, alert: Alert) -> None:
        """Send an alert to root."""
        self._tell(ROOT, _of_alert(alert, self._clock()))

    def bulk(self, alert: Alert) -> None:
        """Send the alert on bulk to its owner; root gets it by `alert`."""
        if alert.owner is not None and alert.owner != ROOT:
            self._tell(alert.owner, _of_alert(alert, self._clock()))

    def rest(self, rest: Rest, *, boot: bool) -> None:
        """Send a sum of alerts to root."""
        self._tell(ROOT, _of_rest(rest, self._clock(), boot=boot))

    def overflow(self, overflows: int) -> None:
        """Send to everybody that events were dropped: nobody knows whose files they were about."""
        for uid in list(self._users):
            self._tell(uid, Overflow(self._clock(), overflows))

    def level(self, name: str, size: int, count: int) -> None:
        """Send to everybody that a level was reached: the sum is everybody's."""
        for uid in list(self._users):
            self._tell(uid, Reached(self._clock(), name, size, count))

    def of_users(self, found: Mapping[int, Sequence[Alert | Rest]]) -> None:
        """Send to each user what was written and belongs to that user; root gets it by `alert` and `rest`."""
        now = self._clock()
        for uid, theirs in found.items():
            for one in theirs:
                self._tell(uid, _of_alert(one, now) if isinstance(one, Alert) else _of_rest(one, now))

    def _tell(self, uid: int, what: Announcement) -> None:
        text = dump(news_to_json(what))
        with self._lock:
            user = self._user(uid)
            user.last.append(text)
            for sender in user.followers:
                self._send(sender, text)

    def _user(self, uid: int) -> _User:
        user = self._users.pop(uid, None) or _User(deque(maxlen=REMEMBERED_EACH))
        self._users[uid] = user  # moved to the end
        if len(self._users) > USERS:
            idle = [one for one, other in self._users.items() if not other.followers]
            if oldest := [one for one in idle if one not in (ROOT, uid)][:1]:
                del self._users[oldest[0]]
        return user

    # Followers

    def follow(self, call: Call) -> None:
        """Answer with the last news, and send the caller all later ones."""
        (last,) = call.parameters.unpack()

        def known(uid: int | None) -> None:
            if uid is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            else:
                self._add(call, uid, last)

        ask_uid(self._con, call.sender, known)

    def _add(self, call: Call, uid: int, last: int) -> None:
        with self._lock:
            user = self._user(uid)
            if call.sender not in user.followers:
                everybody = sum(len(one.followers) for one in self._users.values())
                if uid != ROOT and (len(user.followers) >= FOLLOWERS_EACH or everybody >= FOLLOWERS):
                    call.fail(ServiceError("too many follow already"))
                    return
                user.followers[call.sender] = watch_caller(
                    self._con, call.sender, lambda: self._remove(uid, call.sender)
                )
            before: Sequence[str] = list(user.last)[-last:] if last else []
            # The answer is sent under the lock, so that later news come after it.
            call.reply(GLib.Variant("(as)", (before,)))

    def _remove(self, uid: int, sender: str) -> None:
        with self._lock:
            forget = self._users[uid].followers.pop(sender, None)
        if forget is not None:
            forget()

    def close(self) -> None:
        for user in self._users.values():
            for forget in user.followers.values():
                forget()
            user.followers.clear()
