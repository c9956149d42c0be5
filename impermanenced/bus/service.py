"""org.impermanence.Manager1: reports and alerts for whoever may see them."""

from __future__ import annotations

import dataclasses
import fcntl
import gc
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import structlog
from gi.repository import GLib

from ..errors import ImpermanenceError, NotPermitted
from ..model import Entry, Report
from ..wire import entry_to_json, report_to_json
from .introspection import OBJECT_PATH, XML
from .registration import Call, Property, Registration, uid_of

# fcntl.h; the reader can rely on what it reads
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

BIG = 1000  # entries of a report that leaves much behind

log = structlog.get_logger()


def report_for(report: Report, uid: int) -> Iterator[str]:
    """The JSON form in pieces, with what this user may see: root everything, others what belongs to them."""
    mine: Sequence[Entry] = report.entries
    head = {**report_to_json(dataclasses.replace(report, entries=()))}
    if uid != 0:
        mine = [entry for entry in report.entries if entry.difference.uid == uid]
        size = sum(entry.difference.size for entry in report.entries if entry.difference.uid != uid)
        head["others"] = {"entries": len(report.entries) - len(mine), "bytes": size}
        head["complete"] = report.complete and len(mine) == len(report.entries)
    del head["entries"]
    yield json.dumps(head, ensure_ascii=False).removesuffix("}") + ', "entries": ['
    for number, entry in enumerate(mine):
        yield (",\n" if number else "") + json.dumps(entry_to_json(entry), ensure_ascii=False)
    yield "]}"


def sealed_file(pieces: Iterable[str]) -> int:
    fd = os.memfd_create("report", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            stream.writelines(pieces)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


class Service:
    """Reports are built by `executor`, one at a time: calls that come in meanwhile share the next one."""

    def __init__(
        self,
        con: Any,
        executor: Executor,
        make_report: Callable[[], Report],
        properties: Mapping[str, Property],
    ) -> None:
        self._con = con
        self._executor = executor
        self._make_report = make_report
        self._lock = threading.Lock()
        self._waiting: list[Call] = []
        self._registration = Registration(con, OBJECT_PATH, XML, {"Status": self._status}, properties)

    def _status(self, call: Call) -> None:
        with self._lock:
            self._waiting.append(call)
            first = len(self._waiting) == 1
        if first:
            self._executor.submit(self._answer).add_done_callback(_say_failure)

    def _answer(self) -> None:
        with self._lock:
            calls, self._waiting = self._waiting, []
        problem: BaseException | None = None
        size = 0
        try:
            size = self._answer_all(calls)
        except (ImpermanenceError, OSError) as error:
            log.warning("a report could not be made", error=str(error))
            problem = error
        finally:
            for call in calls:
                if not call.answered:
                    call.fail(problem)
            if size > BIG:
                gc.collect()  # a daemon allocates too little to have that done soon

    def _answer_all(self, calls: Sequence[Call]) -> int:
        report = self._make_report()
        for call in calls:
            self._answer_one(call, report)
        return len(report.entries)

    def _answer_one(self, call: Call, report: Report) -> None:
        uid = uid_of(self._con, call.sender)
        if uid is None:
            call.fail(NotPermitted("the bus does not say who asks"))
            return
        fd = sealed_file(report_for(report, uid))
        try:
            call.reply_fd(fd)
        finally:
            os.close(fd)

    def emit_crud(self, path: bytes, verdict: str, unit: str, size: int, count: int) -> None:
        self._registration.emit("Crud", GLib.Variant("(aysstt)", (path, verdict, unit, size, count)))

    def close(self) -> None:
        self._registration.close()


def _say_failure(future: Future[None]) -> None:
    if error := future.exception():
        log.error("a report could not be made", exc_info=error)
