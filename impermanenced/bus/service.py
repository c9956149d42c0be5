"""org.impermanence.Manager1: reports and alerts for whoever may see them."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

import structlog
from gi.repository import GLib

from ..errors import ImpermanenceError, NotPermitted
from ..model import Report
from .introspection import OBJECT_PATH, XML
from .registration import Call, Property, Registration, uid_of
from .reports import report_for, sealed_file

BIG = 1000  # entries of a report that leaves much behind
REST = 3  # times as long as a report took, before the next one for anybody but root

log = structlog.get_logger()


class Service:
    """Reports are built by `executor`, one at a time: calls that come in meanwhile share the next one.

    Root's is built at once.  What others can make the machine do is bounded: after each report theirs have
    to wait, unless root asks in between.
    """

    def __init__(
        self,
        con: Any,
        executor: Executor,
        make_report: Callable[[], Report],
        properties: Mapping[str, Property],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._con = con
        self._executor = executor
        self._make_report = make_report
        self._clock = clock
        self._lock = threading.Lock()
        self._new: list[Call] = []
        self._asking: list[tuple[Call, int]] = []  # with the caller's uid; the executor's alone
        self._not_before = 0.0
        self._timer = False
        self._registration = Registration(con, OBJECT_PATH, XML, {"Status": self._status}, properties)

    def _status(self, call: Call) -> None:
        with self._lock:
            self._new.append(call)
            first = len(self._new) == 1
        if first:
            self._submit()

    def _submit(self) -> None:
        self._executor.submit(self._answer).add_done_callback(_say_failure)

    def _answer(self) -> None:
        self._ask_who()
        early = self._not_before - self._clock()
        if self._asking and early > 0 and all(uid != 0 for _, uid in self._asking):
            if not self._timer:
                self._timer = True
                GLib.timeout_add(int(early * 1000) + 1, self._again)
        elif self._asking:
            began = self._clock()
            calls, self._asking = self._asking, []
            try:
                if self._answer_all(calls) > BIG:
                    gc.collect()  # a daemon allocates too little to have that done soon
            finally:
                now = self._clock()
                self._not_before = now + REST * (now - began)

    def _again(self) -> bool:
        self._timer = False
        self._submit()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    def _ask_who(self) -> None:
        with self._lock:
            calls, self._new = self._new, []
        for call in calls:
            uid = uid_of(self._con, call.sender)
            if uid is None:
                call.fail(NotPermitted("the bus does not say who asks"))
            else:
                self._asking.append((call, uid))

    def _answer_all(self, calls: list[tuple[Call, int]]) -> int:
        """The number of entries that the report has."""
        problem: BaseException | None = None
        size = 0
        try:
            report = self._make_report()
            size = len(report.entries)
            for call, uid in calls:
                _answer_one(call, report, uid)
        except (ImpermanenceError, OSError) as error:
            log.warning("a report could not be made", error=str(error))
            problem = error
        finally:
            for call, _ in calls:
                if not call.answered:
                    call.fail(problem)
        return size

    def emit_crud(self, path: bytes, verdict: str, unit: str, size: int, count: int) -> None:
        self._registration.emit("Crud", GLib.Variant("(aysstt)", (path, verdict, unit, size, count)))

    def close(self) -> None:
        self._registration.close()


def _answer_one(call: Call, report: Report, uid: int) -> None:
    fd = sealed_file(report_for(report, uid))
    try:
        call.reply_fd(fd)
    finally:
        os.close(fd)


def _say_failure(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.error("a report could not be made", exc_info=error)
