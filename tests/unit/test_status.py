"""What `status` says, at 80 columns with a fixed clock, and what it gives programs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from impermanenced.cli import output, status_text, wording
from impermanenced.cli.commands import status
from impermanenced.document.status import status_to_json
from impermanenced.losses import LossClass
from impermanenced.model import Advice, AdviceKind, Decision, Forecast, Others, Report, Spared, Verdict
from impermanenced.report import forecast

from ..conftest import calls
from .reports import BUSY, NOW, PLAIN, entry, report, writer


def shown(found: Report, options: status.Options | None = None, **more: Any) -> str:
    settings = {"columns": 80, "now": NOW, "style": PLAIN, **more}
    return status_text.text(found, options or status.Options(), **settings)


def test_status() -> None:
    assert (
        shown(BUSY)
        == """\
8 things will be lost at the next boot (38.0 MiB).

  /var/log/journal/                 empty            not mounted, 1 h ago
  /var/lib/sonarr/               12 files  38.0 MiB  sonarr.service, 4 min ago
  /home/alice/                    2 files  41.0 KiB  nvim (root), 12 min ago
  /etc/ssh/…_{ed25519,rsa}_key    2 files   2.9 KiB  sshd-keyg…service, just now
  /etc/cups/printers.conf         changed   1.2 KiB  cups.service, 3 h ago
  /etc/motd                       deleted            1 h ago
  /srv/empty/                       empty            1 h ago
  /var/lib/machines/            subvolume            1 h ago

  not counted: 1 persisted, 2 ignored by you (--all shows them)
  writers known since 09:14, complete.

Why, and what keeps it:  impermanence explain PATH    All at once:  impermanence suggest
"""
    )


def test_status_with_nothing_to_lose() -> None:
    assert (
        shown(report())
        == """\
nothing will be lost at the next boot.

  nobody watches: writers unknown (systemctl start impermanenced)

Every difference:  impermanence diff
"""
    )


def test_nobody_watches_is_not_said_where_somebody_does() -> None:
    text = shown(report(unheard="impermanenced runs with another configuration"))
    assert "\n  writers unknown: impermanenced runs with another configuration\n" in text
    assert "nobody watches" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_it_shows_that_it_waits(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    for seconds in range(1, 25):
        output.wait(seconds)
    output.wait(None)
    shown = stream.getvalue()
    if terminal:
        assert shown.startswith("\r\x1b[Kimpermanenced makes the report, 1 s so far\r")
        assert shown.endswith("24 s so far\r\x1b[K"), "the line is taken away"
    else:
        assert shown == "".join(
            f"impermanence: impermanenced makes the report, {seconds} s so far\n" for seconds in (10, 20)
        )
    stream.truncate(0)
    output.wait(None)
    assert stream.getvalue() == "", "nothing is waited for"


def test_a_trial_loses_nothing() -> None:
    for entries, start in ((), "nothing"), ((entry("/a"),), "1 thing"):
        text = shown(report(*entries, forecast=Forecast(Decision("trial"), Spared.TRIAL)))
        assert text.startswith(
            f"{start} would be lost at the next boot, were this not a trial (rollback.wipe is"
        )


@pytest.mark.parametrize(
    ("decision", "known", "will"),
    [
        (Decision("wiped"), None, "will be lost at the next boot"),
        (Decision("unknown", why="words"), None, "will be lost at the next boot"),
        (Decision("booted", 3), Spared.TRIAL, "will be lost at the next boot"),
        (Decision("wiped"), Spared.TRIAL, "will be lost at the next boot"),  # setup has not been run since
        (Decision("off", code="off-asked"), None, "will be lost at the next boot"),
        (Decision("refused", code="command-line"), None, "will be lost at the next boot"),
        (Decision("trial"), None, "would be lost at the next boot, were this not a trial"),
        (Decision("unknown"), Spared.TRIAL, "would be lost at the next boot, were this not a trial"),
        (
            Decision("refused", code="x"),
            None,
            "would be lost at the next boot, were its rollback not refused",
        ),
        (
            Decision("failed", code="x"),
            Spared.TRIAL,
            "would be lost at the next boot, were its rollback not refused",
        ),
        (
            Decision("other", code="x"),
            Spared.TRIAL,
            "would be lost at the next boot, were this the root that is rolled",
        ),
    ],
)
def test_what_the_next_boot_decides_is_in_the_first_line(
    decision: Decision, known: Spared | None, will: str
) -> None:
    text = shown(report(entry("/a"), forecast=forecast.of(decision, known)))
    assert text.startswith(f"1 thing {will}")


def test_before_set_up_it_says_what_would_be_lost() -> None:
    nowhere = forecast.of(Decision("off", code="no-record"), None)
    text = shown(report(entry("/a", loss=LossClass.SECRET, score=95), entry("/b/c"), forecast=nowhere))
    assert text.startswith(
        "2 things would be lost if this root were wiped (0 B), 1 of them serious; it is not set up.\n"
    )
    assert shown(report(forecast=nowhere)).startswith("nothing would be lost if this root were wiped; it is ")


def test_what_is_declared_and_not_mounted_comes_first_with_its_line() -> None:
    line = "/persist/var/lib/x /var/lib/x none bind 0 0"
    declared = entry(
        "/var/lib/x/a",
        verdict=Verdict.DECLARED,
        loss=LossClass.LOG,
        score=15,
        advice=(Advice(AdviceKind.FSTAB, line),),
    )
    text = shown(report(entry("/a", loss=LossClass.SECRET, score=95), declared), columns=120)
    rows = text.split("\n\n")[1].splitlines()
    assert "/var/lib/x/a" in rows[0] and rows[0].endswith("  not mounted, 1 h ago")
    assert f"in /etc/fstab:  {line}\n" in text


def test_what_is_not_known_of_the_next_boot_is_said() -> None:
    unknown = Forecast(Decision("unknown", why="only root can ask"))
    text = shown(report(forecast=unknown))
    assert "\n  what the next boot will do is not known: only root can ask\n\nEvery" in text
    booted = Forecast(Decision("booted", 3, "asked for", None))
    document: Any = status_to_json(report(forecast=booted), all_verdicts=False)
    assert document["next_boot"] == {
        "action": "booted",
        "boot": 3,
        "reason": "asked for",
        "reason_code": None,
        "advice": None,
        "spared": None,
    }


def test_status_of_everything() -> None:
    text = shown(BUSY, status.Options(all=True))
    assert (
        """
  persisted:
    /etc/machine-id  mount point of /dev/vda[/persist/etc] (btrfs)

  ignored by you:
    /tmp/x  ignored by the pattern /tmp/
    /tmp/y  ignored by the pattern /tmp/

  writers known"""
        in text
    )
    assert "not counted" not in text


def test_status_says_what_it_does_not_know() -> None:
    text = shown(report(watching_since=NOW - 100_000, curtailed=1))
    assert (
        "  writers known since 2025-11-22 08:26; 1 busy time without changed attributes and open files.\n"
        in text
    )
    text = shown(report(watching_since=NOW - 100_000, overflows=2, complete=False))
    assert "  writers known since 2025-11-22 08:26; 2 overflows.\n" in text
    assert "  not complete: a part could not be read\n" in text
    assert text.startswith("nothing that you may see will be lost at the next boot.\n")
    gap = (NOW - 90_000, NOW - 80_000)
    gaps = shown(report(watching_since=NOW - 100_000, gaps=(gap, gap)))
    assert "; 2 gaps, the last one until 2025-11-22 14:00.\n" in gaps
    text = shown(report(entry("/a"), complete=False))
    assert text.startswith("at least 1 thing will be lost at the next boot (0 B).\n")
    text = shown(report(entry("/a"), complete=False, others=Others(12, 4096)))
    assert "  not shown: up to 12 differences of other users, 4.0 KiB (root sees all)\n" in text


def test_what_is_only_of_a_while_says_so() -> None:
    text = shown(report(entry("/a")), since="the last boot")
    assert text.startswith("1 thing will be lost at the next boot (0 B) of what came since the last boot.\n")


def test_loss_classes_have_a_column_when_there_are_any() -> None:
    text = shown(report(entry("/a", loss=LossClass.SECRET, size=1), entry("/b/c")))
    assert "\n  secret  /a    1 file  1 B  1 h ago\n" in text
    assert "\n          /b/c  1 file       1 h ago\n" in text


def test_what_programs_call_themselves_is_escaped() -> None:
    evil = writer("x\x1b[31m.service")._replace(comm=b"\x1b[2J", exe=b"/bin/\x1b[2J")
    text = shown(report(entry(b"/a\x1b[31m", writer=evil), entry(b"/b\n/c", writer=evil._replace(unit=""))))
    assert text.replace("\n", "").isprintable()
    assert r"/a\x1b[31m" in text and r"x\x1b[31m.service" in text and r"\x1b[2J (root)" in text


@pytest.mark.parametrize("columns", [0, 40, 60, 80, 132, 400])
def test_rows_fit_the_terminal(columns: int) -> None:
    path = "/" + "/".join(["a-rather-long-name", "日本語のファイル名", "x" * 200])
    entries = [
        entry(path, size=2**50, writer=writer("a-service-with-quite-a-long-name@instance.service")),
        entry("/short"),
    ]
    text = shown(report(*entries), columns=columns)
    table = text.split("\n\n")[1].splitlines()
    assert all(wording.width(line) <= max(columns, status_text.MIN_WIDTH) for line in table), table
    assert table[0].startswith("  /a-rat")
    assert table[0].endswith("4 min ago")


def test_colour_only_marks_what_the_words_say() -> None:
    coloured = shown(BUSY, style=output.Style(color=True))
    assert "\x1b[1m8 things" in coloured
    plain = coloured.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert plain == shown(BUSY)


# For programs


def test_json_has_the_documented_keys() -> None:
    public: Any = status_to_json(BUSY, all_verdicts=False)
    assert list(public) == [
        "version", "complete", "watching_since", "gaps", "overflows", "settled", "notes", "faults",
        "next_boot", "volumes", "counts", "caches", "entries",
    ]  # fmt: skip
    assert set(public["volumes"][0]) == {"name", "mountpoint", "subvolume", "blank"}
    assert public["counts"] == {
        "persisted": 1, "declared": 1, "hidden": 0, "regenerated": 0, "ignored": 2, "crud": 23,
    }  # fmt: skip
    assert len(public["entries"]) == 24, "what is declared, and not mounted, is a loss"
    assert all("letters" not in one for one in public["entries"])
    everything: Any = status_to_json(BUSY, all_verdicts=True)
    assert everything["counts"] == public["counts"]
    assert len(everything["entries"]) == 27
    mine: Any = status_to_json(report(others=Others(12, 4096)), all_verdicts=False)
    assert mine["others"] == {"entries": 12, "bytes": 4096}


def test_work_grows_with_the_entries_and_no_faster() -> None:
    def work(count: int) -> None:
        many = report(*(entry(f"/srv/{n % 10}/{n % 50}/{n}") for n in range(count)))
        json.dumps(status_to_json(many, all_verdicts=False))
        shown(many)

    assert calls(lambda: work(8000)) < 2.1 * calls(lambda: work(4000))
