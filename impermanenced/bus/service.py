"""The methods of org.impermanence.Manager1: reports and requests, for callers who may have them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from gi.repository import GLib

from ..boots.listing import Listing
from ..document.boots import boots_to_json
from ..document.declared import states_to_json
from ..document.fields import dump
from ..errors import NotPermitted, UsageError
from ..keep.state import Declared, visible_to
from ..report.explanation import absolute
from ..system.callers import ROOT, Caller, Callers
from ..system.dbus import Call, Property, Registration
from ..system.polkit import Authority
from .answers import Answers
from .loans import Batch, Loans, passed_on
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
    boots: Callable[[], Listing]  # what `impermanence boots` shows
    declarations: Callable[[], Sequence[Declared]]  # the state of each
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
        callers: Callers,
        clock: Callable[[], float] = time.monotonic,
        authority: Authority | None = None,
    ) -> None:
        self._authority = authority or Authority(registration.con, callers)
        self._callers = callers
        self._calls = calls
        self._work = work
        self._clock = clock
        self._loans = Loans()
        self._reports = CallQueue(worker, self._make_report, clock, done=Batch[Answers].close)
        self._rescans = CallQueue(worker, work.rescan, clock)
        self._boots = CallQueue(calls, self._make_boots, clock, done=Batch[Listing].close)
        self._declarations = CallQueue(calls, self._make_declarations, clock, done=Batch.close)
        methods = {
            "Status": self._status,
            "StatusAll": self._status_all,
            "Explain": self._explain,
            "Boots": self._list_boots,
            "Declarations": self._list_declarations,
            "Next": self._next,
            "Rescan": self._rescan,
            "Follow": news.follow,
        }
        registration.serve(methods, properties)

    def tidy(self) -> None:
        """Close the files that no caller reads any more."""
        self._loans.tidy()

    def _make_report(self) -> Batch[Answers]:
        return Batch(self._loans, self._work.report(), lambda report: report.close())

    def _make_boots(self) -> Batch[Listing]:
        return Batch(self._loans, self._work.boots())

    def _make_declarations(self) -> Batch[Sequence[Declared]]:
        return Batch(self._loans, self._work.declarations())

    def _known(self, call: Call, then: Callable[[Caller], None]) -> None:
        """Call `then` with who calls; answer the call if that cannot be known."""

        def known(caller: Caller | None) -> None:
            if caller is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            else:
                then(caller)

        self._callers.ask(call.sender, known)

    def _status(self, call: Call) -> None:
        self._known(call, lambda caller: self._reports.ask(call, _answer_report, caller))

    def _status_all(self, call: Call) -> None:
        def allowed(caller: Caller) -> None:
            self._reports.ask(call, _answer_whole_report, caller, urgent=True)

        self._authority.ask(call, STATUS_ALL, {}, allowed)

    def _explain(self, call: Call) -> None:
        path = absolute(call.octets(0, LONGEST))

        def answer(call: Call, batch: Batch[Answers], caller: Caller) -> None:
            what = "explanation", path, caller.uid
            fd = batch.reader(caller, what, lambda: batch.made.explanation(path, caller.uid))
            passed_on(fd, call.reply_fd)

        self._known(call, lambda caller: self._reports.ask(call, answer, caller))

    def _list_boots(self, call: Call) -> None:
        self._known(call, lambda caller: self._boots.ask(call, _answer_boots, caller))

    def _list_declarations(self, call: Call) -> None:
        self._known(call, lambda caller: self._declarations.ask(call, _answer_declarations, caller))

    def _next(self, call: Call) -> None:
        action, number = call.parameters.unpack()
        _check_request(action, number)

        # Each call has its own queue, so two requests stay two.  The machine is read after polkit's answer.
        def allowed(caller: Caller) -> None:
            queue = CallQueue(self._calls, lambda: self._work.request(action, number), self._clock)
            queue.ask(call, _answer_words, caller)

        self._authority.ask(call, NEXT, {"action": action, "number": str(number)}, allowed)

    def _rescan(self, call: Call) -> None:
        def allowed(caller: Caller) -> None:
            self._rescans.ask(call, _answer_count, caller, urgent=True)

        self._authority.ask(call, RESCAN, {}, allowed)


def _check_request(action: str, number: int) -> None:
    if action not in REQUESTS:
        raise UsageError(f"there is no such request, only {', '.join(REQUESTS)}")
    if action == "keep" and not 1 <= number <= MOST_BOOTS:
        raise UsageError("keep: not a number of boots", f"1 to {MOST_BOOTS}")
    if action == "boot" and abs(number) > MOST_BOOTS:
        raise UsageError("boot: not the number of a boot")
    if action in ("wipe", "cancel") and number != 0:
        raise UsageError(f"{action}: takes no number", "0 stands for none")


def _answer_report(call: Call, batch: Batch[Answers], caller: Caller) -> None:
    _answer_document(call, batch, caller, caller.uid)


def _answer_whole_report(call: Call, batch: Batch[Answers], caller: Caller) -> None:
    _answer_document(call, batch, caller, ROOT)


def _answer_document(call: Call, batch: Batch[Answers], caller: Caller, view: int) -> None:
    """Answer with the report as the user `view` sees it."""
    fd = batch.reader(caller, ("report", view), lambda: batch.made.document(view))
    passed_on(fd, call.reply_fd)


def _answer_boots(call: Call, batch: Batch[Listing], caller: Caller) -> None:
    exact = caller.uid == ROOT

    def make() -> int:
        return sealed_file([dump(boots_to_json(batch.made, exact=exact))])

    passed_on(batch.reader(caller, ("boots", exact), make), call.reply_fd)


def _answer_declarations(call: Call, batch: Batch[Sequence[Declared]], caller: Caller) -> None:
    def make() -> int:
        return sealed_file([dump(states_to_json(visible_to(batch.made, caller.uid)))])

    passed_on(batch.reader(caller, ("declarations", caller.uid), make), call.reply_fd)


def _answer_words(call: Call, words: str, caller: Caller) -> None:
    call.reply(GLib.Variant("(s)", (words,)))


def _answer_count(call: Call, count: int, caller: Caller) -> None:
    call.reply(GLib.Variant("(t)", (count,)))
