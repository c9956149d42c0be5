"""The news of the daemon for its followers: root gets all of it, another user what belongs to that user."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gi.repository import GLib

from ..alerts.group import ROOT, Alert, Rest
from ..document.fields import dump
from ..document.news import Announcement, Holds, Overflow, Reached, Sum, Undeclared, news_to_json
from ..errors import NotPermitted, ServiceError
from ..keep.state import Declared
from ..paths import PATH_MAX
from ..report.visible import LEAST_COUNT, LEAST_SIZE, blurred
from ..system.callers import Caller, Callers
from ..system.dbus import Call

REMEMBERED = 200  # news for root that are remembered
REMEMBERED_EACH = 50  # news for another user that are remembered
USERS = 100
FOLLOWERS = 200  # of all users but root
FOLLOWERS_EACH = 8  # of one user, whatever uids it has


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
    owner: int
    last: deque[str]
    followers: dict[str, Callable[[], None]] = field(default_factory=dict)  # connection: ends the watch on it


class News:
    """The followers and their news.  The worker adds news, and the main loop's thread adds followers."""

    def __init__(
        self,
        callers: Callers,
        send: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin without followers; `send` is called with a connection and the news as JSON."""
        self._callers = callers
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._users: dict[int, _User] = {ROOT: _User(ROOT, deque(maxlen=REMEMBERED))}

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
        """Send to everybody that a level was reached; only root gets the sum of all exactly."""
        about = blurred(size, LEAST_SIZE), blurred(count, LEAST_COUNT)
        for uid in list(self._users):
            self._tell(uid, Reached(self._clock(), name, *((size, count) if uid == ROOT else about)))

    def declaration(self, one: Declared) -> None:
        """Send the state of a declaration to root, and to the user that it belongs to."""
        what = Holds(self._clock(), fitting(one.path), one.reason, one.words)
        self._tell(ROOT, what)
        if one.uid is not None and one.uid != ROOT:
            self._tell(one.uid, what)

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
        user = self._users.pop(uid, None)
        if user is None:
            user = _User(self._callers.owner(uid), deque(maxlen=REMEMBERED_EACH))
        self._users[uid] = user  # moved to the end
        if len(self._users) > USERS:
            self._forget_one(uid)
        return user

    def _forget_one(self, but: int) -> None:
        """Forget the news of one uid without followers: the oldest of the user who has most of them."""
        uids = Counter(user.owner for user in self._users.values())
        idle = [uid for uid, user in self._users.items() if not user.followers and uid not in (ROOT, but)]
        if idle:  # the first of several that are equal is the oldest
            del self._users[max(idle, key=lambda uid: uids[self._users[uid].owner])]

    # Followers

    def follow(self, call: Call) -> None:
        """Answer with the last news, and send the caller all later ones."""
        (last,) = call.parameters.unpack()

        def known(caller: Caller | None) -> None:
            if caller is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            else:
                self._add(call, caller, last)

        self._callers.ask(call.sender, known)

    def _add(self, call: Call, caller: Caller, last: int) -> None:
        uid, sender = caller.uid, caller.sender
        with self._lock:
            user = self._user(uid)
            if fresh := sender not in user.followers:
                if uid != ROOT and self._too_many(caller.owner):
                    call.fail(ServiceError("too many follow already"))
                    return
                user.followers[sender] = self._callers.watch(sender, lambda: self._remove(uid, sender))
            before: Sequence[str] = list(user.last)[-last:] if last else []
            # The answer is sent under the lock, so that later news come after it.
            call.reply(GLib.Variant("(as)", (before,)))
        if fresh:
            # It may have gone before the bus was asked to tell of that: then nobody tells.
            self._callers.ask_present(sender, lambda present: None if present else self._remove(uid, sender))

    def _too_many(self, owner: int) -> bool:
        each = Counter[int]()
        for uid, user in self._users.items():
            if uid != ROOT:
                each[user.owner] += len(user.followers)
        return each[owner] >= FOLLOWERS_EACH or each.total() >= FOLLOWERS

    def _remove(self, uid: int, sender: str) -> None:
        with self._lock:
            user = self._users.get(uid)
            forget = user.followers.pop(sender, None) if user is not None else None
        if forget is not None:
            forget()

    def close(self) -> None:
        for user in self._users.values():
            for forget in user.followers.values():
                forget()
            user.followers.clear()
