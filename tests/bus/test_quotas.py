"""What one user can take of the daemon: files, followers, questions to the bus."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gi.repository import GLib

from impermanenced.bus import loans, news, queue
from impermanenced.bus.introspection import INTERFACE
from impermanenced.bus.loans import Loans
from impermanenced.bus.news import News
from impermanenced.bus.sealed import SealedFile, sealed_file
from impermanenced.errors import ServiceError
from impermanenced.system import callers
from impermanenced.system.callers import Caller, Callers, Then

from .conftest import NOBODY, Bus, wait_until
from .test_service import REPORT, Pretended, Served, entry

ALICE, BOB = Caller(":1.1", 1000, 1000), Caller(":1.2", 1001, 1001)
ROOT = Caller(":1.0", 0, 0)
PAGE = 4096


@pytest.fixture
def served(bus: Bus) -> Iterator[Served]:
    with contextlib.closing(Served(bus)) as served:
        yield served


def text(pages: int = 1) -> int:
    return sealed_file(["x" * (PAGE * pages)])


# Sealed files


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt, UnicodeEncodeError])
def test_a_file_that_cannot_be_made_leaves_no_descriptor(error: type[BaseException]) -> None:
    def pieces() -> Iterator[str]:
        yield "x"
        yield "\ud800" if error is UnicodeEncodeError else ""
        raise error

    before = os.listdir("/proc/self/fd")
    with pytest.raises(error):
        sealed_file(pieces())
    assert os.listdir("/proc/self/fd") == before


def test_who_made_a_file_knows_when_it_is_read() -> None:
    with contextlib.closing(SealedFile(text())) as file:
        assert not file.in_use() and file.size == PAGE
        readers = [file.reader(), file.reader()]
        assert os.read(readers[0], 10) == os.read(readers[1], 10), "each with a place of its own"
        for reader in readers:
            assert file.in_use()
            os.close(reader)
        assert not file.in_use()


def test_a_user_holds_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "EACH", 10 * PAGE)
    held = Loans()
    readers = []
    with pytest.raises(ServiceError, match=r"of yours are still open: 4 files"):
        for _ in range(10):
            loan = held.make(ALICE, lambda: text(3))
            readers.append(loan.file.reader())
            held.close(loan)
    assert held.held(1000) == (4, 12 * PAGE)
    held.close(held.make(BOB, text))
    for _ in range(20):
        held.close(held.make(ROOT, lambda: text(3)))
    os.close(readers.pop())
    held.close(held.make(ALICE, text))
    for reader in readers:
        os.close(reader)
    held.tidy()
    assert held.held() == (0, 0) and not held._loans


def test_another_uid_of_a_user_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "FILES_EACH", 3)
    held = Loans()
    readers = []
    for number in range(3):
        loan = held.make(Caller(":1.3", 100_000 + number, 1000), text)
        readers.append(loan.file.reader())
        held.close(loan)
    with pytest.raises(ServiceError):
        held.make(ALICE, text)
    held.close(held.make(BOB, text))
    for reader in readers:
        os.close(reader)
    held.tidy()


def test_all_users_hold_so_much_and_root_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loans, "FILES", 2)
    held = Loans()
    one, two = held.make(ALICE, text), held.make(BOB, text)
    with pytest.raises(ServiceError, match="of all users"):
        held.make(Caller(":1.5", 1002, 1002), text)
    roots = held.make(ROOT, text)
    for loan in (one, two, roots):
        held.close(loan)
    held.tidy()
    assert not held._loans


def test_callers_of_one_report_share_a_file(served: Served) -> None:
    served.callers.be(NOBODY)
    calls = [served.start_call(INTERFACE, "Status") for _ in range(5)]
    wait_until(lambda: all(calls), "five answers")
    files = [fds.get(index) for (index,), fds in (call[0] for call in calls)]
    inodes = {os.fstat(fd).st_ino for fd in files}
    assert len(inodes) <= served.reports < 5
    assert len({os.read(fd, 1 << 20) for fd in files}) == 1, "and each reads it from its start"
    for fd in files:
        os.close(fd)


def test_a_caller_that_keeps_its_answers_gets_no_more(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tuple(entry(b"/%06d" % number, NOBODY, 1) for number in range(2000))
    served.report = lambda: REPORT._replace(entries=many)
    monkeypatch.setattr(loans, "EACH", 2 << 20)
    monkeypatch.setattr(queue, "REST", 0)
    served.callers.be(NOBODY)
    kept = []
    while len(answer := served.call(INTERFACE, "Status")) == 2 and not isinstance(answer[0], str):
        (index,), fds = answer
        kept.append(fds.get(index))
        del answer, fds
        assert len(kept) < 10
    assert "still open" in answer[1]
    served.callers.be(0)
    assert isinstance(served.call(INTERFACE, "Status")[0], tuple)
    served.callers.be(NOBODY)
    for fd in kept:
        os.close(fd)

    def again() -> bool:  # Gio's own copies go with its lists
        return isinstance(served.call(INTERFACE, "Status")[0], tuple)

    wait_until(again, "an answer after the others were closed")


# Followers


class Late(Pretended):
    """Callers whose credentials come when the test says so."""

    waiting: list[Callable[[], None]]

    def ask(self, sender: str, then: Then) -> None:
        self.waiting.append(lambda: then(Caller(sender, NOBODY, NOBODY)))


def test_a_follower_that_goes_before_it_is_listened_for_keeps_no_place(bus: Bus) -> None:
    late = Late(bus.link())
    late.waiting = []
    follow = News(late, lambda to, text: None)
    gone = bus.connect()
    name = gone.get_unique_name()
    follow.follow(_call(name))
    gone.close_sync(None)
    present: list[bool] = []

    def forgotten() -> bool:
        late.ask_present(name, present.append)
        return present[-1:] == [False]

    wait_until(forgotten, "the bus to forget it")
    for answer in late.waiting:
        answer()
    wait_until(lambda: not follow._users[NOBODY].followers, "its place to be free")
    follow.close()
    late.close()


def _call(sender: str) -> Any:
    class Follows:
        parameters = GLib.Variant("(u)", (0,))
        reply = fail = staticmethod(lambda value: None)

    Follows.sender = sender  # type: ignore[attr-defined]
    return Follows()


class Family(Callers):
    """Callers all of whose uids from 100000 on belong to one user."""

    def owner(self, uid: int) -> int:
        return 1000 if uid >= 100_000 else uid


def test_one_user_with_many_uids_takes_one_share(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    family = Family(bus.link())
    follow = News(family, lambda to, text: None)
    monkeypatch.setattr(family, "ask", lambda sender, then: then(_who(sender)))
    refused: list[Exception] = []

    def ask(uid: int, number: int) -> None:
        call = _call(f":{uid}.{number}")
        call.fail = refused.append
        follow.follow(call)

    for number in range(news.FOLLOWERS_EACH + 1):
        ask(100_000 + number, number)
    assert len(refused) == 1
    ask(1001, 1)
    ask(0, 1)
    assert len(refused) == 1
    follow.close()


def _who(sender: str) -> Caller:
    uid = int(sender[1:].partition(".")[0])
    return Caller(sender, uid, 1000 if uid >= 100_000 else uid)


def test_files_of_many_uids_crowd_out_no_other_users_news(bus: Bus) -> None:
    follow = News(Family(bus.link()), lambda to, text: None)
    for uid in (1001, *range(100_000, 100_000 + 3 * news.USERS)):
        follow._user(uid)
    assert 1001 in follow._users and len(follow._users) == news.USERS
    follow.close()


# Questions to the bus


def test_the_bus_is_asked_once_a_connection(
    bus: Bus, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = served.callers.ask_uid

    def count(sender: str, then: Callable[[int | None], None]) -> None:
        asked.append(sender)
        real(sender, then)

    monkeypatch.setattr(served.callers, "ask_uid", count)
    others = [bus.connect() for _ in range(3)]
    calls = [served.start_call(INTERFACE, "Status", caller=one) for one in others for _ in range(20)]
    wait_until(lambda: all(calls), "all answers")
    assert sorted(asked) == sorted(one.get_unique_name() for one in others)


def test_who_is_known_is_bounded(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "KNOWN", 10)
    found = Callers(None)  # type: ignore[arg-type]
    monkeypatch.setattr(found, "ask_uid", lambda sender, then: then(NOBODY))
    for number in range(100):
        found.ask(f":1.{number}", lambda caller: None)
    assert len(found._known) == 10 and not found._asked
