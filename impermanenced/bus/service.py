"""org.impermanence.Manager1: reports, alerts and requests, for whoever may have them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from gi.repository import GLib

from ..document.fields import Object
from ..document.report import dump
from ..errors import UsageError
from ..system.dbus import Call, Property, Registration
from ..system.polkit import Authority
from .answers import Answers
from .introspection import OBJECT_PATH, XML
from .news import News, fitting
from .queue import Desk
from .sealed import sealed_file

LONGEST = 1 << 20  # bytes of a path that is asked about: a report can have longer ones than Linux takes
REQUESTS = ("wipe", "keep", "boot", "cancel")
MOST_BOOTS = 999_999_999

NEXT = "org.impermanence.next"
RESCAN = "org.impermanence.rescan"
STATUS_ALL = "org.impermanence.status-all"


@dataclass(frozen=True, slots=True)
class Work:
    """What the calls have done on the machine.  All of it takes time, and is done by an executor."""

    report: Callable[[], Answers]
    boots: Callable[[], Object]  # the document of `impermanence boots`
    request: Callable[[str, int], str]  # one of REQUESTS and its number; what comes of it, in words
    rescan: Callable[[], int]  # compares and announces everything; how many paths are undeclared


class Service:
    """`worker` makes reports, `clerk` what must not wait for one."""

    def __init__(
        self,
        con: Any,
        worker: Executor,
        clerk: Executor,
        work: Work,
        properties: Mapping[str, Property],
        clock: Callable[[], float] = time.monotonic,
        authority: Authority | None = None,
    ) -> None:
        self._authority = authority or Authority(con)
        self._clerk = clerk
        self._con = con
        self._work = work
        self._clock = clock
        self._reports = Desk(con, worker, work.report, clock, done=lambda report: report.close())
        self._rescans = Desk(con, worker, work.rescan, clock)
        self._boots = Desk(con, clerk, work.boots, clock)
        self.news = News(con, self._send)
        methods = {
            "Status": self._status,
            "StatusAll": self._status_all,
            "Explain": self._explain,
            "Boots": self._list_boots,
            "Next": self._next,
            "Rescan": self._rescan,
            "Follow": self.news.follow,
        }
        self._registration = Registration(con, OBJECT_PATH, XML, methods, properties)

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

        # Each has its own desk: two requests are two.  The machine is looked at after the answer of polkit.
        def ask() -> None:
            desk = Desk(self._con, self._clerk, lambda: self._work.request(action, number), self._clock)
            desk.ask(call, _answer_words, 0)

        self._authority.ask(call, NEXT, {"action": action, "number": str(number)}, ask)

    def _rescan(self, call: Call) -> None:
        self._authority.ask(call, RESCAN, {}, lambda: self._rescans.ask(call, _answer_count, 0))

    # Signals

    def emit_crud(self, path: bytes, verdict: str, unit: str, size: int, count: int) -> None:
        arguments = (fitting(path), verdict, unit, size, count)
        self._registration.emit("Crud", GLib.Variant("(aysstt)", arguments))

    def emit_leaving(self, count: int, size: int, worst: Iterable[bytes]) -> None:
        arguments = (count, size, [fitting(path) for path in worst])
        self._registration.emit("Leaving", GLib.Variant("(ttaay)", arguments))

    def level(self, name: str, size: int, count: int) -> None:
        self._registration.emit("Level", GLib.Variant("(stt)", (name, size, count)))
        self.news.level(name, size, count)

    def _send(self, to: str, text: str) -> None:
        self._registration.emit("News", GLib.Variant("(s)", (text,)), to)

    def close(self) -> None:
        self.news.close()
        self._registration.close()


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
