"""The methods of org.impermanence.Manager1: reports and requests, for callers who may have them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from gi.repository import GLib

from ..document.fields import Object, dump
from ..errors import UsageError
from ..system.dbus import Call, Property, Registration
from ..system.polkit import Authority
from .answers import Answers
from .news import News
from .queue import CallQueue
from .sealed import sealed_file

LONGEST = 1 << 20  # bytes of a path in a call: a report can have longer ones than Linux accepts
REQUESTS = ("wipe", "keep", "boot", "cancel")
MOST_BOOTS = 999_999_999

NEXT = "org.impermanence.next"
RESCAN = "org.impermanence.rescan"
STATUS_ALL = "org.impermanence.status-all"


@dataclass(frozen=True, slots=True)
class Work:
    """The work behind the methods.  All of it takes time, and an executor does it."""

    report: Callable[[], Answers]
    boots: Callable[[], Object]  # the document of `impermanence boots`
    request: Callable[[str, int], str]  # one of REQUESTS and its number -> what it does, in words
    rescan: Callable[[], int]  # compares and announces everything -> the number of undeclared paths


class Service:
    """The methods on the bus.  `worker` makes reports, and `calls` does what must not wait for one."""

    def __init__(
        self,
        registration: Registration,
        worker: Executor,
        calls: Executor,
        work: Work,
        properties: Mapping[str, Property],
        news: News,
        clock: Callable[[], float] = time.monotonic,
        authority: Authority | None = None,
    ) -> None:
        self._con = con = registration.con
        self._authority = authority or Authority(con)
        self._calls = calls
        self._work = work
        self._clock = clock
        self._reports = CallQueue(con, worker, work.report, clock, done=lambda report: report.close())
        self._rescans = CallQueue(con, worker, work.rescan, clock)
        self._boots = CallQueue(con, calls, work.boots, clock)
        methods = {
            "Status": self._status,
            "StatusAll": self._status_all,
            "Explain": self._explain,
            "Boots": self._list_boots,
            "Next": self._next,
            "Rescan": self._rescan,
            "Follow": news.follow,
        }
        registration.serve(methods, properties)

    def _status(self, call: Call) -> None:
        self._reports.ask(call, _answer_report)

    def _status_all(self, call: Call) -> None:
        self._authority.ask(call, STATUS_ALL, {}, lambda: self._reports.ask(call, _answer_report, 0))

    def _explain(self, call: Call) -> None:
        path = call.octets(0, LONGEST)
        self._reports.ask(call, lambda call, report, uid: _answer(call, report.explanation(path, uid)))

    def _list_boots(self, call: Call) -> None:
        self._boots.ask(call, lambda call, document, uid: _answer(call, sealed_file([dump(document)])))

    def _next(self, call: Call) -> None:
        action, number = call.parameters.unpack()
        _check_request(action, number)

        # Each call has its own queue, so two requests stay two.  The machine is read after polkit's answer.
        def ask() -> None:
            queue = CallQueue(self._con, self._calls, lambda: self._work.request(action, number), self._clock)
            queue.ask(call, _answer_words, 0)

        self._authority.ask(call, NEXT, {"action": action, "number": str(number)}, ask)

    def _rescan(self, call: Call) -> None:
        self._authority.ask(call, RESCAN, {}, lambda: self._rescans.ask(call, _answer_count, 0))


def _check_request(action: str, number: int) -> None:
    if action not in REQUESTS:
        raise UsageError(f"there is no such request, only {', '.join(REQUESTS)}")
    if action == "keep" and not 1 <= number <= MOST_BOOTS:
        raise UsageError("keep: not a number of boots", f"1 to {MOST_BOOTS}")
    if action == "boot" and abs(number) > MOST_BOOTS:
        raise UsageError("boot: not the number of a boot")
    if action in ("wipe", "cancel") and number != 0:
        raise UsageError(f"{action}: takes no number", "0 stands for none")


def _answer(call: Call, fd: int) -> None:
    try:
        call.reply_fd(fd)
    finally:
        os.close(fd)


def _answer_report(call: Call, report: Answers, uid: int) -> None:
    _answer(call, report.document(uid))


def _answer_words(call: Call, words: str, uid: int) -> None:
    call.reply(GLib.Variant("(s)", (words,)))


def _answer_count(call: Call, count: int, uid: int) -> None:
    call.reply(GLib.Variant("(t)", (count,)))
