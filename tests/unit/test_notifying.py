"""News as notifications, with a clock of our own: few, the worst first, and secrets by their path alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from impermanenced.cli.notify import EVERY, GATHER, NAMED, Notices
from impermanenced.document.news import Announcement, Overflow, Reached, Sum, Undeclared
from impermanenced.errors import ServiceError
from impermanenced.losses import LossClass
from impermanenced.model import Writer

WRITER = Writer("", b"/usr/bin/nvim", b"nvim", 1, None, 0, 0)


def crud(path: str, loss: LossClass = LossClass.DOCUMENT, count: int = 1, size: int = 411) -> Undeclared:
    return Undeclared(0, path.encode(), "created", loss, size, count, WRITER)


class Case:
    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.shown: list[tuple[str, list[str], bool]] = []
        self.complaints: list[str] = []
        self.there = True
        self.notices = Notices(self.show, self.later, lambda: self.now, self.complaints.append)

    def show(self, summary: str, lines: Any, worth_a_look: bool) -> None:
        if not self.there:
            raise ServiceError("no notification can be shown")
        self.shown.append((summary, list(lines), worth_a_look))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, work))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due, self.due = self.due, []
        for when, work in due:
            if when <= self.now:
                work()
            else:
                self.due.append((when, work))

    def tell(self, *news: Announcement) -> None:
        for one in news:
            self.notices.tell(one)


def test_what_comes_together_is_one() -> None:
    case = Case()
    case.tell(crud("/home/a/notes", count=3, size=42_000), crud("/home/a/key", LossClass.SECRET))
    assert not case.shown
    case.wait(GATHER)
    assert case.shown == [(
        "4 paths would be lost at the next boot",
        ["secret: /home/a/key", "document: /home/a/notes, 3 paths, 41.0 KiB, nvim"],
        True,
    )]  # fmt: skip


def test_there_are_few_and_nothing_is_forgotten() -> None:
    case = Case()
    for second in range(300):
        case.tell(crud(f"/home/a/{second}", LossClass.CONFIG))
        case.wait(1)
    assert len(case.shown) <= 300 / EVERY + 1
    case.wait(EVERY)
    summary, lines, worth_a_look = case.shown[-1]
    assert summary == "300 paths would be lost at the next boot"
    assert len(lines) == NAMED + 1 and lines[-1] == "and 295 paths more: impermanence status"
    assert not worth_a_look


def test_the_worst_is_named_however_much_comes() -> None:
    case = Case()
    case.tell(crud("/home/a/key", LossClass.SECRET), *(crud(f"/home/a/{number}") for number in range(50)))
    case.tell(Sum(0, b"/home/a", 1, 100, boot=False))
    case.wait(GATHER)
    assert case.shown[0][0] == "151 paths would be lost at the next boot"
    assert case.shown[0][1][0] == "secret: /home/a/key"
    assert case.shown[0][1][-1] == "and 146 paths more: impermanence status"


def test_what_was_taken_away_is_not_said_again() -> None:
    case = Case()
    case.tell(crud("/home/a/one"))
    case.wait(GATHER)
    case.tell(crud("/home/a/two"))
    case.wait(EVERY)
    assert len(case.shown[-1][1]) == 2, "it still stands there"
    case.notices.seen()
    case.tell(crud("/home/a/three"))
    case.wait(EVERY)
    assert case.shown[-1][0] == "1 path would be lost at the next boot"
    assert case.shown[-1][1] == ["document: /home/a/three, 411 B, nvim"]


def test_nobody_is_interrupted_for_little() -> None:
    case = Case()
    case.tell(crud("/a", LossClass.LOG), crud("/a", LossClass.CACHE))
    case.tell(Overflow(0, 1), Sum(0, b"/", 1, 1, boot=True))
    assert not case.due


def test_a_level() -> None:
    case = Case()
    case.tell(Reached(0, "critical", 5 << 30, 3))
    case.wait(GATHER)
    assert case.shown == [
        ("Much would be lost at the next boot", ["altogether 5.0 GiB of everybody's: critical"], True)
    ]


def test_without_a_service_it_waits_for_one() -> None:
    case = Case()
    case.there = False
    for number in range(3):
        case.tell(crud(f"/home/a/{number}"))
        case.wait(EVERY)
    assert case.complaints == ["no notification can be shown"], "once"
    case.there = True
    case.tell(crud("/home/a/last"))
    case.wait(EVERY)
    assert case.shown[0][0] == "4 paths would be lost at the next boot"


def test_a_long_path_is_shortened() -> None:
    case = Case()
    case.tell(crud("/home/a/" + "x" * 4000))
    case.wait(GATHER)
    assert len(case.shown[0][1][0]) < 200
