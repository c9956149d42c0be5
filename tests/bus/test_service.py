"""The skin over Gio: errors by their names, answers from threads, callers that cannot be known."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gi.repository import GLib

from impermanenced.boots.history import History
from impermanenced.boots.listing import Listing
from impermanenced.bus import client, queue
from impermanenced.bus.answers import FromReport
from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH, XML
from impermanenced.bus.service import Service, Work
from impermanenced.bus.signals import Signals
from impermanenced.document.report import report_from_json, report_pieces
from impermanenced.errors import ConfigError, NotPermitted, ServiceError
from impermanenced.keep.state import Declared
from impermanenced.model import Change, Difference, Entry, FileType, Report, Verdict, Volume
from impermanenced.report.visible import visible
from impermanenced.system.admission import Door
from impermanenced.system.callers import Caller, Callers, Then
from impermanenced.system.dbus import PROPERTIES, Registration, request_name
from impermanenced.system.polkit import Authority

from ..isolation import PATIENCE
from .conftest import NOBODY, Bus, wait_until


def entry(path: bytes, uid: int, size: int) -> Entry:
    difference = Difference(path, FileType.FILE, Change.CREATED, "+......", 5, size, uid, uid, 0o644, 0)
    return Entry("root", difference, Verdict.CRUD, "nothing declares it", None, None)


ROOT = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)
REPORT = Report(True, None, 0, (ROOT,), (entry(b"/a", 0, 10), entry(b"/b", NOBODY, 20), entry(b"/c", 0, 30)))


class Pretended(Callers):
    """Callers whom the bus takes for user `uid`, or does not know; as they are, if `pretend` is false."""

    pretend = False
    uid: int | None = None

    def ask(self, sender: str, then: Then) -> None:
        if not self.pretend:
            super().ask(sender, then)
        elif self.uid is None:
            then(None)
        else:
            then(Caller(sender, self.uid, self.owner(self.uid)))

    def be(self, uid: int | None) -> None:
        self.pretend, self.uid = True, uid


class Served:
    """A `Service` in this process; calls come from a second connection."""

    def __init__(self, bus: Bus, *, patience: int = 20_000) -> None:
        link = bus.link()
        self.con = link.con
        self.callers = Pretended(link)
        self.caller = bus.connect()
        self.reports = 0
        self.report: Callable[[], Report] = lambda: REPORT
        self.answers: Callable[[Report], FromReport] = FromReport
        self.progress: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self.config = b"/etc/impermanence/config.toml"
        self.executor = ThreadPoolExecutor(1)
        self.short_calls = ThreadPoolExecutor(1)
        self.now = 1000.0
        self.requests: list[tuple[str, int]] = []
        self.boots = Listing(History((), ("root",), b"old_roots", False))
        self.declarations: list[Declared] = []
        properties = {
            "Version": lambda: GLib.Variant("s", "1"),
            "ConfigFile": lambda: GLib.Variant("ay", self.config),
            "Progress": lambda: GLib.Variant("(tt)", self.progress()),
        }
        work = Work(self._make, lambda: self.boots, lambda: self.declarations, self._request, self._rescan)
        authority = Authority(self.con, self.callers, patience)
        executors = self.executor, self.short_calls
        self.registration = Registration(self.con, OBJECT_PATH, XML, guard=Door(self.callers).guard)
        self.signals = Signals(self.registration, self.callers)
        self.service = Service(
            self.registration, *executors, work, properties, self.signals.news, self.callers,
            lambda: self.now, authority,
        )  # fmt: skip
        request_name(self.con, BUS_NAME)

    def _request(self, action: str, number: int) -> str:
        self.requests.append((action, number))
        return f"{action} {number}"

    def _make(self) -> FromReport:
        self.reports += 1
        return self.answers(self.report())

    def _rescan(self) -> int:
        return len(self.report().entries)

    def start_call(self, interface: str, method: str, arguments: Any = None, caller: Any = None) -> list[Any]:
        """A list that gets (answer, descriptors), or an error's name and message."""
        got: list[Any] = []

        def finished(con: Any, result: Any) -> None:
            try:
                value, fds = con.call_with_unix_fd_list_finish(result)
                got.append((value.unpack(), fds))
            except GLib.Error as error:
                got.append(client.name_and_message(error))

        (caller or self.caller).call_with_unix_fd_list(
            BUS_NAME, OBJECT_PATH, interface, method, arguments, None, 0, 60_000, None, None, finished
        )
        return got

    def call(self, interface: str, method: str, arguments: Any = None) -> Any:
        got = self.start_call(interface, method, arguments)
        wait_until(lambda: got, f"an answer to {method}")
        return got[0]

    def close(self) -> None:
        self.signals.close()
        self.registration.close()
        self.executor.shutdown()
        self.short_calls.shutdown()
        self.callers.close()
        self.caller.close_sync(None)


@pytest.fixture
def served(bus: Bus) -> Iterator[Served]:
    served = Served(bus)
    try:
        yield served
    finally:
        served.close()


def test_a_report_comes_in_a_file_that_cannot_change(served: Served) -> None:
    (index,), fds = served.call(INTERFACE, "Status")
    with open(fds.get(index), "rb") as stream:
        assert len(json.load(stream)["entries"]) == 3
        with pytest.raises(OSError):
            os.ftruncate(stream.fileno(), 0)
        anew = os.open(f"/proc/self/fd/{stream.fileno()}", os.O_RDWR)
    try:
        for change in (lambda: os.ftruncate(anew, 0), lambda: os.write(anew, b"x")):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(anew)


@pytest.mark.parametrize(
    ("error", "name", "says"),
    [
        (ConfigError("a.toml: no", "mend it"), "org.impermanence.Error.Config", "a.toml: no\nhint: mend it"),
        (NotPermitted("no"), "org.impermanence.Error.NotPermitted", "no"),
        (
            OSError(errno.EIO, "Input/output error", b"/x"),
            "org.impermanence.Error.Failed",
            "Input/output error",
        ),
        (ZeroDivisionError("secret"), "org.impermanence.Error.Failed", "internal error, the journal of"),
    ],
)
def test_errors_have_names_of_ours(
    served: Served, error: Exception, name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Report:
        raise error

    served.report = fail
    got_name, message = served.call(INTERFACE, "Status")
    assert got_name == name
    assert message.startswith(says)
    assert "secret" not in message
    capsys.readouterr()


def test_calls_during_a_report_share_the_next_one(served: Served) -> None:
    """Somebody who asks all the time must not make the machine compare trees all the time."""
    go = threading.Event()

    def slow() -> Report:
        go.wait(PATIENCE)
        return REPORT

    served.report = slow
    calls = [served.start_call(INTERFACE, "Status")]
    wait_until(lambda: served.reports == 1, "the first report begun")
    calls += [served.start_call(INTERFACE, "Status") for _ in range(20)]
    version = GLib.Variant("(ss)", (INTERFACE, "Version"))
    assert served.call(PROPERTIES, "Get", version)[0] == ("1",)
    go.set()
    wait_until(lambda: all(calls), "all answers")
    assert served.reports == 2
    assert all(isinstance(call[0][0], tuple) for call in calls)


def test_others_than_root_cannot_keep_it_busy(served: Served) -> None:
    served.callers.be(NOBODY)

    def slow() -> Report:
        served.now += 5
        return REPORT

    served.report = slow
    served.call(INTERFACE, "Status")
    waiting = served.start_call(INTERFACE, "Status")
    served.call(PROPERTIES, "GetAll", GLib.Variant("(s)", (INTERFACE,)))
    served.executor.submit(lambda: None).result(PATIENCE)
    assert served.reports == 1 and not waiting
    served.callers.be(0)
    served.call(INTERFACE, "Status")
    wait_until(lambda: waiting, "the one that waited has root's report")
    assert served.reports == 2
    served.executor.submit(lambda: None).result(PATIENCE)  # the pause begins a moment after the answer
    served.callers.be(NOBODY)
    served.now += 5 * queue.REST + 1
    served.call(INTERFACE, "Status")
    assert served.reports == 3


def test_a_caller_that_cannot_be_known_gets_nothing(served: Served) -> None:
    served.callers.be(None)
    assert served.call(INTERFACE, "Status")[0] == "org.impermanence.Error.NotPermitted"


def test_a_caller_that_has_gone_is_nobody(bus: Bus, served: Served) -> None:
    gone = bus.connect()
    name = gone.get_unique_name()
    got: list[int | None] = []
    served.callers.ask_uid(name, got.append)
    wait_until(lambda: got == [os.geteuid()], "who it is")
    gone.close_sync(None)

    def forgotten() -> bool:
        served.callers.ask_uid(name, got.append)
        return got[-1] is None

    wait_until(forgotten, "the bus to notice")


def test_a_caller_that_goes_while_it_waits_harms_nobody(bus: Bus, served: Served) -> None:
    go = threading.Event()

    def slow() -> Report:
        go.wait(PATIENCE)
        return REPORT

    served.report = slow
    gone = bus.connect()
    served.start_call(INTERFACE, "Status", caller=gone)
    wait_until(lambda: served.reports == 1, "the report begun")
    gone.close_sync(None)
    other = served.start_call(INTERFACE, "Status")
    go.set()
    wait_until(lambda: other, "the answer to the other")
    assert isinstance(other[0][0], tuple)


def test_nothing_can_be_set_and_nothing_unknown_called(served: Served) -> None:
    value = GLib.Variant("(ssv)", (INTERFACE, "Version", GLib.Variant("s", "2")))
    assert served.call(PROPERTIES, "Set", value)[0].startswith("org.freedesktop.DBus.Error.")
    assert served.call(INTERFACE, "Nothing")[0] == "org.freedesktop.DBus.Error.UnknownMethod"
    wrong = GLib.Variant("(s)", ("too much",))
    assert served.call(INTERFACE, "Status", wrong)[0] == "org.freedesktop.DBus.Error.InvalidArgs"
    name = GLib.Variant("(ss)", (INTERFACE, "Version"))
    assert served.call(PROPERTIES, "Get", name)[0] == ("1",)


def test_the_name_is_taken_once(bus: Bus, served: Served) -> None:
    with pytest.raises(ServiceError, match="the name is taken"):
        request_name(bus.connect(), BUS_NAME)


def seen_by(uid: int, report: Report = REPORT) -> Any:
    return json.loads("".join(report_pieces(visible(report, uid))))


def test_root_gets_the_whole_report() -> None:
    assert report_from_json("".join(report_pieces(REPORT)).encode()) == REPORT
    assert seen_by(0, REPORT._replace(entries=()))["entries"] == []


def test_who_sees_what() -> None:
    assert len(seen_by(0)["entries"]) == 3
    theirs = seen_by(NOBODY)
    assert [one["path"] for one in theirs["entries"]] == ["/b"]
    assert theirs["others"] == {"entries": 16, "bytes": 1 << 20}, "not exactly, and small sums not at all"
    assert not theirs["complete"]
    only_theirs = REPORT._replace(entries=REPORT.entries[1:2])
    assert seen_by(NOBODY, only_theirs)["complete"]
    assert seen_by(12345)["entries"] == []
