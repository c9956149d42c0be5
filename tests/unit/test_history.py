"""The words of `next` and `boots`, and their text at 80 columns with a fixed clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots.history import CLEAN, CUT, Boot, History, bootable
from impermanenced.boots.journal import LastEntries
from impermanenced.boots.listing import Listing
from impermanenced.boots.old_roots import OldRoot
from impermanenced.boots.records import BootRecord, EndRecord, NextRequest
from impermanenced.boots.requests import Pending
from impermanenced.cli import boots_list, next_boot
from impermanenced.cli.parse import parse
from impermanenced.document.boots import boots_to_json
from impermanenced.errors import UsageError
from impermanenced.losses import LossClass
from impermanenced.model import Decision

NOW = 1_763_900_000.0  # 2025-11-23 12:13:20 UTC
WIPES = Decision("wiped")
ID = "3f2a0000-0000-4000-8000-000000000127"


def boot(number: int, ago: float, ended: str = "unknown", **fields: Any) -> Boot:
    record = BootRecord(number, ID, int(NOW - ago), "6.1.0-13-amd64", **fields)
    return Boot(number, ID, record.time, ended, record=record)


def old_root(number: int, *, there: bool = True) -> OldRoot:
    return OldRoot(f"old_roots/{number}-{ID}".encode(), number, "root", id=300 + number if there else 0)


def a_history(*boots: Boot, hold: bool = False) -> History:
    return History(boots, ("root",), b"old_roots", hold)


def with_roots(one: Boot, *roots: OldRoot) -> Boot:
    return Boot(one.number, one.boot_id, one.time, one.ended, record=one.record, old_roots=roots)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, None, 1, False)),
        (["wipe"], ("wipe", None, 1, False)),
        (["keep"], ("keep", None, 1, False)),
        (["keep", "--boots", "3", "--dry-run"], ("keep", None, 3, True)),
        (["--boots=3", "keep"], ("keep", None, 3, False)),
        (["boot", "127"], ("boot", 127, 1, False)),
        (["boot", "-1"], ("boot", -1, 1, False)),
        (["boot", "0"], ("boot", 0, 1, False)),
        (["cancel"], ("cancel", None, 1, False)),
    ],
)
def test_parse_next(words: list[str], expected: tuple[object, ...]) -> None:
    options = parse(["next", *words]).options
    assert (options.request, options.boot, options.boots, options.dry_run) == expected


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["kep"], "next: there is no request kep", 'did you mean "keep"?'),
        (["frobnicate"], "there is no request frobnicate", "wipe | keep [--boots N] | boot N | cancel"),
        (["boot"], "the number of a boot goes with boot", "boot N"),
        (["keep", "3"], "the number of a boot goes with boot", "keep [--boots N]"),
        (["wipe", "--boots", "2"], "--boots goes with keep", "keep [--boots N]"),
        (["--boots", "2"], "--boots goes with keep", "keep [--boots N]"),
        (["keep", "--boots", "0"], "not a number of boots", "1 to 999999999"),
        (["keep", "--boots", "-2"], "not a number of boots", "1 to 999999999"),
        (["keep", "--boots", "two"], "not a number of boots", "1 to 999999999"),
        (["keep", "--boots", "1000000000"], "not a number of boots", "1 to 999999999"),
        (["boot", "01"], "01 is not the number of a boot", "impermanence boots"),
        (["boot", "-0"], "-0 is not the number of a boot", "impermanence boots"),
        (["boot", "1e3"], "1e3 is not the number of a boot", "impermanence boots"),
        (["boot", "²"], "² is not the number of a boot", "impermanence boots"),
        (["boot", ""], "is not the number of a boot", "impermanence boots"),
        (["boot", "1", "2"], "unrecognized arguments: 2", "next --help"),
        (["--json"], "unrecognized arguments: --json", "next --help"),
    ],
)
def test_parse_next_refuses(words: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["next", *words])
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_numbers_of_boots() -> None:
    found = a_history(
        boot(8, 0, "running", action="wiped"), boot(7, 9, action="kept"), boot(5, 99, action="off")
    )
    assert [found.boot(wanted).number for wanted in (8, 7, 5, -1, -2)] == [8, 7, 5, 7, 5]
    without_record = a_history(*found.boots[1:])
    assert [without_record.boot(wanted).number for wanted in (-1, -2)] == [7, 5]
    for wanted in (6, -3, 0):
        with pytest.raises(UsageError, match=f"there is no boot {wanted}"):
            found.boot(wanted)


def test_an_old_root_of_every_volume() -> None:
    home = OldRoot(f"old_roots/7-{ID}.home".encode(), 7, "home", id=400)
    elsewhere = OldRoot(f"archive/7-{ID}.home".encode(), 7, "home", id=400)
    gone = OldRoot(home.path, 7, "home")
    waiting = old_root(7, there=False)._replace(waits=b".impermanence/staging/next.root")
    one = boot(7, 99, action="wiped")

    def found(*roots: OldRoot) -> History:
        return History((with_roots(one, *roots),), ("root", "home"), b"old_roots", False)

    assert bootable(found(old_root(7), home), 7) == 7
    assert bootable(found(old_root(7), home, elsewhere), -1) == 7
    for roots, why in [
        ((old_root(7),), "there is no old root 7 of volume home$"),
        ((old_root(7), gone), "there is no old root 7 of volume home any more"),
        ((old_root(7), elsewhere), "there is no old root 7 of volume home any more"),
        ((home,), "there is no old root 7 of volume root$"),
        ((old_root(7, there=False), home), "there is no old root 7 of volume root any more"),
        ((waiting, home), r"old root 7 of volume root waits in \.impermanence/staging/next\.root"),
    ]:
        with pytest.raises(UsageError, match=why):
            bootable(found(*roots), 7)


def test_text_of_boots() -> None:
    found = a_history(
        boot(128, 10_000, "running", action="wiped"),
        with_roots(boot(127, 60_000, "good", action="booted", boot=125), old_root(127)),
        with_roots(
            boot(
                126,
                200_000,
                "bad",
                action="refused",
                reason="the blank root-blank of volume root: it is missing",
            ),
            old_root(126, there=False),
        ),
        Boot(125, fault=".impermanence/boots/125.env:3: TIME is not a number"),
        Boot(None, time=NOW - 9e6, old_roots=(OldRoot(b"old_roots/2025-8-11_12:13:20", None, None, id=500),)),
    )
    text = boots_list.text(Listing(found), decision=WIPES, columns=80, now=NOW)
    assert text == (
        "  boot  when             up      kernel    ended    rollback    old root\n"
        "   128  today 09:26      2 h     6.1.0-1…  running  wiped       -\n"
        "   127  yesterday 19:33  -       6.1.0-1…  good     booted 125  old_roots/127-3…\n"
        "   126  Fri 04:40        -       6.1.0-1…  bad      refused     gone\n"
        "        refused: the blank root-blank of volume root: it is missing\n"
        "   125  -                -       -         unknown  ?           -\n"
        "        the record cannot be understood: .impermanence/boots/125.env:3: TIME is\n"
        "          not a number\n"
        "     -  2025-08-11 08:13 old_roots/2025-8-11_12:13:20\n"
        "\n"
        "Back into an old root:  impermanence next boot N\n"
    )


def test_text_of_a_request_that_was_refused() -> None:
    """It names the old root that was asked for, which did not boot."""
    one = boot(5, 99, "running", action="refused", boot=3, reason="there is no old root 3", reason_code="x-y")
    text = boots_list.text(Listing(a_history(one)), decision=WIPES, columns=80, now=NOW)
    assert "refused     -\n        refused: there is no old root 3 (x-y)\n" in text
    document: Any = boots_to_json(Listing(a_history(one)))
    assert (document["boots"][0]["booted"], document["boots"][0]["reason_code"]) == (None, "x-y")


def test_text_of_an_old_root_that_waits() -> None:
    root = old_root(5, there=False)._replace(waits=b".impermanence/staging/next.root")
    one = with_roots(boot(5, 99, "good", action="wiped"), root)
    text = boots_list.text(Listing(a_history(one)), decision=WIPES, columns=120, now=NOW)
    assert "  waits in .impermanence/staging/next.root\n" in text and "gone" not in text
    document: Any = boots_to_json(Listing(a_history(one)))
    (found,) = document["boots"][0]["old_roots"]
    assert (found["there"], found["waits_in"]) == (False, ".impermanence/staging/next.root")


def test_text_of_what_the_next_boot_will_not_do() -> None:
    one = a_history(boot(5, 99, "running", action="wiped"))
    refused = Decision(
        "refused",
        why="the blank root-blank of volume root: it is missing",
        code="blank-missing",
        advice="take one again, and run impermanence setup",
    )
    text = boots_list.text(Listing(one), decision=refused, columns=80, now=NOW)
    assert (
        "\nthe rollback of the next boot will be refused: the blank root-blank of volume root: it is missing "
        "(blank-missing).\n  To do: take one again, and run impermanence setup\n"
    ) in text


def test_text_of_how_boots_ended() -> None:
    """That a boot did not complete says more than that it was shut down, and that it was good says less."""

    def ended(state: str, shutdown: str | None) -> str:
        one = boot(5, 99, state, action="wiped")._replace(shutdown=shutdown)
        header, line, *_ = boots_list.text(
            Listing(a_history(one)), decision=WIPES, columns=80, now=NOW
        ).splitlines()
        at = header.index("ended")
        return line[at : at + 7].strip()

    assert [ended("good", how) for how in (CLEAN, CUT, None)] == ["clean", "cut", "good"]
    assert [ended("bad", how) for how in (CLEAN, CUT, None)] == ["bad"] * 3
    assert [ended("unknown", how) for how in (CLEAN, CUT, None)] == ["clean", "cut", "unknown"]
    assert ended("running", None) == "running"


def test_text_of_what_boots_lost() -> None:
    """What a boot left is lost only if its root was put away, and no word is made of nothing."""

    def remarks(end: EndRecord, *roots: OldRoot) -> list[str]:
        one = boot(5, 99, "good", action="wiped")._replace(left=end, old_roots=roots)
        text = boots_list.text(Listing(a_history(one)), decision=WIPES, columns=80, now=NOW)
        return [line.strip() for line in text.splitlines() if line.startswith(" " * 8)]

    whole, part = EndRecord(ID, 0, 1, 2048, True), EndRecord(ID, 0, 1200, 0, False)
    assert remarks(whole, old_root(5)) == ["lost 1 path that nothing declared, 2.0 KiB"]
    assert remarks(part, old_root(5)) == ["lost at least 1,200 paths that nothing declared, 0 B"]
    worst = EndRecord(ID, 0, 1, 2048, True, worst=LossClass.SECRET)
    assert remarks(worst, old_root(5)) == ["lost 1 path that nothing declared, 2.0 KiB, the worst a secret"]
    assert remarks(EndRecord(ID, 0, 0, 0, True), old_root(5)) == []
    assert remarks(whole) == []


def test_a_running_boot_without_a_record() -> None:
    record = BootRecord(None, ID, int(NOW - 60), "6.1.0", "refused", "a hibernation image waits in /dev/sda2")
    found = a_history(
        Boot(None, ID, record.time, "running", record=record), boot(7, 90_000, "good", action="wiped")
    )
    assert found.current is None
    assert found.boot(-1).number == 7, "the one before this is the newest of those that have a number"
    document: Any = boots_to_json(Listing(found))
    assert {key: document["boots"][0][key] for key in ("number", "boot_id", "ended", "action", "reason")} == {
        "number": None,
        "boot_id": ID,
        "ended": "running",
        "action": "refused",
        "reason": "a hibernation image waits in /dev/sda2",
    }
    lines = boots_list.text(Listing(found), decision=WIPES, columns=80, now=NOW).splitlines()
    assert lines[1] == "     -  today 12:12      60 s    6.1.0     running  refused     -"
    assert lines[2] == "        refused: a hibernation image waits in /dev/sda2"


def test_notices() -> None:
    pending = Pending(NextRequest("keep", "x", boots=2), NOW - 300)
    assert list(next_boot.waiting(True, pending, NOW)) == [
        "wiping pauses: boots did not complete, and the last good root is held.\n"
        "  To go on, once the blank is mended:  impermanence next wipe",
        "next: keep for 2 boots, asked for 5 min ago  (undo: impermanence next cancel)",
    ]
    assert list(next_boot.waiting(False, None, NOW)) == []


def test_a_journal_without_that_boot(tmp_path: Path) -> None:
    assert LastEntries(str(tmp_path)).of(ID) is None


def test_no_boot_yet() -> None:
    text = boots_list.text(Listing(a_history()), decision=WIPES, columns=80, now=NOW)
    assert text.startswith("no boot yet")
