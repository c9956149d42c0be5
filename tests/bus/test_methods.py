"""What the methods answer, to whom, and what they make of arguments that nobody sane sends."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from gi.repository import Gio, GLib

from impermanenced.alerts import group
from impermanenced.alerts.group import Alert, Rest
from impermanenced.boots.history import Boot, History
from impermanenced.boots.listing import Listing
from impermanenced.boots.records import EndRecord
from impermanenced.bus import news, queue
from impermanenced.bus.answers import FromReport
from impermanenced.bus.introspection import BUS_NAME, INTERFACE, OBJECT_PATH, XML
from impermanenced.bus.service import LONGEST
from impermanenced.document import fields
from impermanenced.document.boots import boots_to_json
from impermanenced.document.declared import states_to_json
from impermanenced.errors import UsageError
from impermanenced.keep.state import Declared, Reason
from impermanenced.losses import LossClass
from impermanenced.model import Entry, FileType, Volume

from ..schema import checked
from .conftest import NOBODY, REPOSITORY, Bus, Daemon, get_properties, wait_until
from .polkit import Caller
from .test_service import REPORT, Served, entry

INVALID = "org.impermanence.Error.InvalidArgument"
ROOT = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)
SRV = Volume("srv", b"/srv", b"/srv", b"srv", 258, None, None)


@pytest.fixture
def served(bus: Bus) -> Iterator[Served]:
    served = Served(bus)
    try:
        yield served
    finally:
        served.close()


def of_path(path: bytes) -> Any:
    octets = GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(path), True)
    return GLib.Variant.new_tuple(octets)


def document(answer: Any, name: str) -> Any:
    (index,), fds = answer
    with open(fds.get(index), encoding="utf-8") as stream:
        return checked(name, stream.read())


# The interface


def test_the_xml_that_is_installed_is_what_the_daemon_shows(bus: Bus, daemon: Daemon) -> None:
    file = (REPOSITORY / "systemd/dbus/org.impermanence.Manager1.xml").read_text()
    assert file == XML
    introspectable = "org.freedesktop.DBus.Introspectable"
    con = bus.connect()
    answer = con.call_sync(BUS_NAME, OBJECT_PATH, introspectable, "Introspect", None, None, 0, 60_000, None)
    live = Gio.DBusNodeInfo.new_for_xml(answer.unpack()[0]).lookup_interface(INTERFACE)
    texts = []
    for interface in (live, Gio.DBusNodeInfo.new_for_xml(file).interfaces[0]):
        text = GLib.String()
        interface.generate_xml(0, text)
        texts.append(text.str)
    assert texts[0] == texts[1]
    assert set(get_properties(bus, con)) == {one.name for one in live.properties}


def test_the_activation_file_starts_the_unit() -> None:
    activation = (REPOSITORY / "systemd/dbus/org.impermanence.Manager1.service").read_text().splitlines()
    assert f"Name={BUS_NAME}" in activation
    (unit,) = [line.partition("=")[2] for line in activation if line.startswith("SystemdService=")]
    lines = (REPOSITORY / "systemd" / unit).read_text().splitlines()
    assert f"BusName={BUS_NAME}" in lines


# Explain


def explained(path: bytes, uid: int = 0, *entries: Entry) -> Any:
    report = REPORT._replace(volumes=(SRV, ROOT), entries=entries or REPORT.entries)
    with open(FromReport(report).explanation(path, uid), encoding="utf-8") as stream:
        return checked("explanation", stream.read())


def test_explain_has_what_the_report_has_of_a_path() -> None:
    found = explained(b"/b")
    assert (found["path"], found["entry"]["path"], found["below"]) == ("/b", "/b", 0)
    assert found["complete"] and "entries" not in found
    assert explained(b"//./b/")["entry"]["path"] == "/b"
    assert explained(b"/")["below"] == 3
    assert explained(b"/bb")["entry"] is None
    made = entry(b"/m", 0, 0).difference._replace(type=FileType.SUBVOLUME, subvolume=300)
    nested = entry(b"/m", 0, 0)._replace(difference=made)
    assert explained(b"/m/deep/file", 0, nested)["subvolume"]["path"] == "/m"


def test_explain_tells_nobody_of_what_is_not_theirs() -> None:
    assert explained(b"/b", NOBODY)["entry"]["path"] == "/b"
    theirs = explained(b"/a", NOBODY)
    assert (theirs["entry"], theirs["below"], theirs["complete"]) == (None, 0, False)
    assert explained(b"/", NOBODY)["below"] == 1


def test_explain_takes_names_that_are_no_text(served: Served) -> None:
    path = b"/" + b"\xff\n\x1b[31m" * 1000
    served.report = lambda: REPORT._replace(volumes=(ROOT,), entries=(entry(path, 0, 5),))
    found = document(served.call(INTERFACE, "Explain", of_path(path)), "explanation")
    assert fields.path(found["entry"]) == path
    assert found["path"].isprintable()


@pytest.mark.parametrize("path", [b"", b"etc", b"../etc", b"/etc/../root", b"/a\0b", b"\xff"])
def test_explain_refuses_what_is_no_path(served: Served, path: bytes) -> None:
    name, message = served.call(INTERFACE, "Explain", of_path(path))
    assert name == INVALID
    assert "\0" not in message
    assert isinstance(served.call(INTERFACE, "Status")[0], tuple), "and goes on"


def test_explain_refuses_what_is_on_no_volume(served: Served) -> None:
    served.report = lambda: REPORT._replace(volumes=(SRV,))
    name, message = served.call(INTERFACE, "Explain", of_path(b"/srvx/a"))
    assert (name, message.partition("\n")[0]) == (INVALID, "/srvx/a: on no volume that is rolled back")
    with pytest.raises(UsageError):
        FromReport(served.report()).explanation(b"/proc/self", 0)


def test_a_refusal_is_one_callers_alone(served: Served) -> None:
    calls = [served.start_call(INTERFACE, "Explain", of_path(path)) for path in (b"no", b"/b", b"no")]
    calls.append(served.start_call(INTERFACE, "Status"))
    wait_until(lambda: all(calls), "all answers")
    assert [call[0][0] == INVALID for call in calls] == [True, False, True, False]


# Arguments


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("Status", GLib.Variant("(s)", ("x",))),
        ("Explain", GLib.Variant("(s)", ("/etc",))),
        ("Explain", None),
        ("Explain", GLib.Variant("(as)", (["/etc"],))),
        ("Next", GLib.Variant("(ss)", ("keep", "2"))),
        ("Next", GLib.Variant("(s)", ("wipe",))),
        ("Follow", GLib.Variant("(i)", (-1,))),
        ("Declarations", GLib.Variant("(s)", ("x",))),
        ("Boots", GLib.Variant("(v)", (GLib.Variant("s", "x"),))),
    ],
)
def test_wrong_types_are_an_error(served: Served, method: str, arguments: Any) -> None:
    assert served.call(INTERFACE, method, arguments)[0] == "org.freedesktop.DBus.Error.InvalidArgs"
    assert not served.requests and not served.reports


@pytest.mark.parametrize(
    ("action", "number"),
    [
        ("", 0),
        ("Wipe", 0),
        ("reboot\n", 0),
        ("x" * 1_000_000, 0),
        ("keep", 0),
        ("keep", -1),
        ("keep", 2**31 - 1),
        ("boot", -(2**31)),
        ("wipe", 1),
        ("cancel", -1),
    ],
)
def test_requests_that_make_no_sense_are_refused(served: Served, action: str, number: int) -> None:
    name, message = served.call(INTERFACE, "Next", GLib.Variant("(si)", (action, number)))
    assert name == INVALID and len(message) < 200
    assert not served.requests


def test_requests_of_root(served: Served) -> None:
    for action, number in (("wipe", 0), ("keep", 3), ("boot", -1), ("boot", 0), ("cancel", 0)):
        arguments = GLib.Variant("(si)", (action, number))
        assert served.call(INTERFACE, "Next", arguments)[0] == (f"{action} {number}",)
    assert served.requests == [("wipe", 0), ("keep", 3), ("boot", -1), ("boot", 0), ("cancel", 0)]


@pytest.mark.parametrize(
    ("size", "error"), [(LONGEST, INVALID), (16 << 20, "org.freedesktop.DBus.Error.LimitsExceeded")]
)
def test_huge_arguments_are_an_error(served: Served, size: int, error: str) -> None:
    assert served.call(INTERFACE, "Explain", of_path(b"/" + b"x" * size))[0] == error
    assert isinstance(served.call(INTERFACE, "Status")[0], tuple)


def test_a_large_answer_comes_whole(served: Served) -> None:
    many = tuple(entry(b"/%06d" % number + b"\xff" * 10, 0, 1) for number in range(20_000))
    served.report = lambda: REPORT._replace(entries=many)
    (index,), fds = served.call(INTERFACE, "Status")[0:2]
    with open(fds.get(index), encoding="utf-8") as stream:
        report = json.load(stream)  # too many to hold against the schema
    assert len(report["entries"]) == 20_000
    assert fields.path(report["entries"][-1]) == many[-1].difference.path


def test_boots_come_in_a_file_too(bus: Bus, served: Served) -> None:
    left = EndRecord("", 1_700_000_000, 17, 123_456_789, True)
    boots = tuple(Boot(number, left=left, fault="x" * 100) for number in range(1000))
    served.boots = Listing(History(boots, ("root",), b"old_roots", False))
    assert document(served.call(INTERFACE, "Boots"), "boots") == boots_to_json(served.boots)
    theirs = json.loads(Caller(bus, NOBODY, "Boots").answer()[0])
    assert theirs == boots_to_json(served.boots, exact=False)
    assert theirs["boots"][0]["left"] == {"paths": 32, "bytes": 1 << 27, "complete": True, "worst": None}


def test_declarations_are_shown_to_whose_they_are(bus: Bus, served: Served) -> None:
    of_root = Declared(
        b"/etc/\xff", b"/persist/etc/\xff", False, b"/persist", "bind", "by", Reason.MOUNTED, "it is", uid=0
    )
    theirs = dataclasses.replace(of_root, path=b"/home/b", source=b"/persist/home/b", uid=NOBODY)
    nobodys = dataclasses.replace(of_root, path=b"/c", source=b"/persist/c", uid=None)
    served.declarations = [of_root, theirs, nobodys]
    assert document(served.call(INTERFACE, "Declarations"), "status_persist") == states_to_json(
        served.declarations
    )
    assert json.loads(Caller(bus, NOBODY, "Declarations").answer()[0]) == states_to_json([theirs])


def test_one_user_cannot_have_the_others_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "EACH", 3)
    served.callers.be(NOBODY)
    served.service._reports._not_before = served.now + 1000
    calls = [served.start_call(INTERFACE, "Status") for _ in range(5)]
    wait_until(lambda: sum(map(bool, calls)) == 2, "the refusal of two")
    assert all("too many calls of yours" in call[0][1] for call in calls if call)


# News


class Heard:
    def __init__(self, served: Served, con: Any) -> None:
        self.events: list[Any] = []
        con.signal_subscribe(
            BUS_NAME, INTERFACE, "News", OBJECT_PATH, None, Gio.DBusSignalFlags.NONE, self._receive
        )
        self.con = con
        self.served = served

    def _receive(self, *arguments: Any) -> None:
        self.events.append(json.loads(arguments[5].unpack()[0]))

    def follow(self, last: int) -> list[Any]:
        got = self.served.start_call(INTERFACE, "Follow", GLib.Variant("(u)", (last,)), self.con)
        wait_until(lambda: got, "an answer to Follow")
        return [json.loads(text) for text in got[0][0][0]]


def alert(path: bytes, size: int = 5) -> Alert:
    return Alert(path, 1, size, "crud", "created", LossClass.UNKNOWN, None, 40)


def tell_users(teller: news.News, entries: list[Entry]) -> None:
    teller.of_users(group.announcements(entries, entries).of_users)


def test_root_hears_what_is_announced(bus: Bus, served: Served) -> None:
    teller = served.signals.news
    teller.alert(alert(b"/etc/before\xff"))
    teller.alert(alert(b"/etc/then"))
    heard, silent = Heard(served, bus.connect()), Heard(served, bus.connect())
    (before,) = heard.follow(1)
    assert before["path"] == "/etc/then"
    assert heard.follow(0) == [] and len(heard.follow(2**32 - 1)) == 2, "twice is once"
    tell_users(teller, [entry(b"/home/theirs", NOBODY, 10)])  # which they hear, and root as an alert
    teller.alert(alert(b"/home/theirs", 10))
    teller.rest(Rest(b"/var", 3, 30, 300), boot=False)
    teller.rest(Rest(b"/", 3, 30, 300), boot=True)
    teller.overflow(2)
    wait_until(lambda: len(heard.events) == 4, "four events")
    assert [event["kind"] for event in heard.events] == ["crud", "more", "boot", "overflow"]
    assert heard.events[0]["path"] == "/home/theirs" and heard.events[1]["count"] == 30
    assert all(event["version"] == 1 and event["time"] for event in heard.events)
    assert not silent.events


def test_who_has_gone_is_forgotten(bus: Bus, served: Served) -> None:
    heard = Heard(served, bus.connect())
    heard.follow(0)
    assert served.signals.news._users[0].followers
    heard.con.close_sync(None)
    wait_until(lambda: not served.signals.news._users[0].followers, "it to be forgotten")


def test_followers_are_bounded(bus: Bus, served: Served) -> None:
    served.callers.be(NOBODY)
    for _ in range(news.FOLLOWERS_EACH):
        Heard(served, bus.connect()).follow(0)
    got = served.start_call(INTERFACE, "Follow", GLib.Variant("(u)", (0,)), bus.connect())
    wait_until(lambda: got, "a refusal")
    assert "too many" in got[0][1]


def test_what_is_remembered_is_bounded(served: Served) -> None:
    teller = served.signals.news
    for number in range(3 * news.REMEMBERED):
        teller.alert(alert(b"/" + b"\xff" * 100_000))
        tell_users(teller, [entry(b"/%d" % number, 1000 + number, 1)])
    assert len(teller._users) <= news.USERS + 1
    assert len(teller._users[0].last) == news.REMEMBERED
    assert max(map(len, teller._users[0].last)) < 64 << 10, "and a path can be sent"


def test_a_flood_of_ones_own_is_added_up(served: Served) -> None:
    teller = served.signals.news
    tell_users(teller, [entry(b"/d%d/f" % number, NOBODY, 2) for number in range(100)])
    told = [json.loads(text) for text in teller._users[NOBODY].last]
    assert [one["kind"] for one in told] == ["crud"] * group.BURST + ["more"]
    assert told[-1]["count"] == 100 - group.BURST
