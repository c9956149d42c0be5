"""What a user sees of others, and of names that are there to be a load."""

from __future__ import annotations

import json

import pytest

from impermanenced.document.report import report_from_json, report_pieces
from impermanenced.losses import LossClass
from impermanenced.model import Change, Difference, Entry, FileType, Report, Verdict, Volume
from impermanenced.paths import PATH_MAX
from impermanenced.report import totals, visible
from impermanenced.report.visible import blurred, listed

from .. import schema

ALICE, BOB = 1000, 1001
ROOT = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)


def entry(path: bytes, uid: int, score: int = 10) -> Entry:
    difference = Difference(path, FileType.FILE, Change.CREATED, "+......", 5, 10, uid, uid, 0o644, 0)
    return Entry("root", difference, Verdict.CRUD, "nothing declares it", None, None, score)


def report(*entries: Entry) -> Report:
    return Report(True, None, 0, (ROOT,), entries)


def owner_of(uid: int) -> int:
    return ALICE if uid >= 100_000 else uid


@pytest.mark.parametrize(
    ("exact", "shown"),
    [(0, 0), (1, 16), (16, 16), (17, 32), (1023, 1024), (1024, 1024), (1025, 2048), (2**64 - 1, 2**64)],
)
def test_sums_of_others_are_powers_of_two(exact: int, shown: int) -> None:
    assert blurred(exact, 16) == shown


def test_small_sums_of_others_say_nothing_of_a_write() -> None:
    one, two = report(entry(b"/a", BOB)), report(entry(b"/a", BOB), entry(b"/b", 0))
    assert visible.visible(one, ALICE).others == visible.visible(two, ALICE).others
    assert visible.visible(two, 0).others is None


def test_an_ordinary_report_is_listed_as_it_is() -> None:
    whole = report(entry(b"/a" * 2000, ALICE), entry(b"/\xff" * 2000, BOB))
    assert listed(whole, owner_of) is whole


def test_long_paths_of_one_owner_are_left_out_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "LONG", 3 * (PATH_MAX + 2))
    long = b"/" + b"x" * PATH_MAX
    many = [entry(long + b"%d" % number, 100_000 + number, score=number) for number in range(5)]
    theirs, roots = entry(long + b"b", BOB), [entry(long + b"r%d" % number, 0) for number in range(9)]
    short = entry(b"/home/alice/key", ALICE, 1)
    whole = report(short, *many, theirs, *roots)
    found = listed(whole, owner_of)
    assert found.entries == (short, *many[2:], theirs, *roots), "the worst stay, in their order"
    assert not found.complete and found.notes[-1].startswith("not listed: 2 paths")


def test_so_many_bytes_of_one_owner_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "ALL", 3000)
    mine = [entry(b"/" + b"\xff" * 99 + b"%d" % number, ALICE, score=number) for number in range(9)]
    whole = report(*mine, *(entry(b"/r" * 500, 0) for _ in range(9)), entry(b"/bob", BOB))
    found = listed(whole, owner_of)
    assert [one for one in found.entries if one.difference.uid == ALICE] == mine[4:]
    assert len(found.entries) == len(whole.entries) - 4
    assert listed(found._replace(complete=True), owner_of).complete, "what is left fits"


def test_what_is_left_out_is_counted_at_the_other_end_of_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible, "ALL", 3000)
    mine = [
        entry(b"/" + b"\xff" * 99 + b"%d" % number, ALICE, number)._replace(loss=loss)
        for number, loss in enumerate([LossClass.DATABASE, LossClass.SECRET, LossClass.DATABASE, None] * 3)
    ]
    came_back = mine[0].difference._replace(change=Change.DELETED)
    whole = report(*mine, mine[0]._replace(difference=came_back), entry(b"/root", 0))
    found = listed(whole, owner_of)
    assert len(found.entries) < len(whole.entries) and {one.loss for one in found.unlisted} == {
        LossClass.DATABASE, LossClass.SECRET, LossClass.UNKNOWN,
    }  # fmt: skip
    document = "".join(report_pieces(found)).encode()
    schema.check("report", json.loads(document))
    read = report_from_json(document)
    assert read.unlisted == found.unlisted
    assert totals.of_report(read).classes == totals.of_report(whole).classes
