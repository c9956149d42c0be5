"""Old roots that go while space is short, or beyond what they may hold together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.boots.prune import prune
from impermanenced.boots.prune.prune import DAY
from impermanenced.report.report import Manager
from tests.schema import checked

from .machine import NOW, System, fill, names


def test_space_takes_what_is_younger(system: System) -> None:
    system.configure('keep-min = 1\nkeep-days = 30\nfree-min = "100%"')
    old = [system.boot(days) for days in (90, 20, 10, 5)]
    plan = system.plan()
    assert (names(plan.go), names(plan.spare)) == ([0], [1, 2])
    assert names(system.prune().gone) == [0, 1, 2]
    assert old[3].exists()


def test_space_stops_when_there_is_enough(system: System) -> None:
    # 60 MiB in each: one of them is enough.
    system.configure("keep-min = 0\nkeep-days = 30")
    old = []
    for days in (20, 10):
        old.append(system.boot(days))
        (old[-1] / "big").write_bytes(os.urandom(60 << 20))
    system.filesystem.sync()
    with Manager(os.fsencode(system.config)) as manager:
        wanted = prune.free(manager.machine) + (30 << 20)
    system.configure(f'keep-min = 0\nkeep-days = 30\nfree-min = "{wanted >> 10}KiB"')
    pruned = system.prune()
    assert (names(pruned.gone), pruned.left) == ([0], 1)
    assert old[1].exists()


def test_no_space_setting_means_never(system: System) -> None:
    system.configure("keep-min = 0\nkeep-days = 30")
    system.boot(20)
    assert not system.plan().may_go


def five_of_ten_mebibytes(system: System, days_ago: int = 0) -> list[Path]:
    old = [system.boot(days + days_ago) for days in (25, 20, 15, 10, 5)]
    for path in old:
        fill(path / "big", 10)
    system.filesystem.sync()
    return old


@pytest.mark.parametrize(
    ("limit", "gone"),
    [("50MiB", 0), ("51199KiB", 1), ("40MiB", 1), ("35MiB", 2), ("1KiB", 4), ("0", 0), ("0%", 0)],
)
def test_keep_bytes_takes_the_oldest_until_the_rest_is_within(system: System, limit: str, gone: int) -> None:
    five_of_ten_mebibytes(system)
    system.configure(f'keep-min = 1\nkeep-days = 30\nkeep-bytes = "{limit}"')
    plan = system.plan()
    assert (plan.go, names(plan.over), plan.spare) == ((), list(range(gone)), ())
    assert names(system.prune().gone) == list(range(gone))
    assert len(system.old_roots()) == 5 - gone
    assert not system.plan().may_go


def test_keep_bytes_as_a_share_of_the_filesystem(system: System) -> None:
    five_of_ten_mebibytes(system)
    system.configure('keep-min = 0\nkeep-bytes = "6%"')  # of 512 MiB: 30.7
    assert names(system.plan().over) == [0, 1]


def test_keep_bytes_counts_what_goes_by_age_first(system: System) -> None:
    old = five_of_ten_mebibytes(system)
    system.configure('keep-min = 0\nkeep-days = 18\nkeep-bytes = "25MiB"')
    plan = system.plan()
    assert (names(plan.go), names(plan.over)) == ([0, 1], [2])
    assert [why for _, why in plan.stay] == ["younger than 18 days"] * 2
    system.prune()
    assert system.old_roots() == [path.name for path in old[3:]]


def test_keep_bytes_never_takes_what_is_pinned_mounted_or_needed(system: System, tmp_path: Path) -> None:
    old = five_of_ten_mebibytes(system)
    (system.boots / "0.pin").touch()
    where = system.filesystem.mount(tmp_path / "second", f"subvol=old_roots/{old[1].name}")
    system.configure('keep-min = 1\nkeep-bytes = "1KiB"')
    plan = system.plan()
    assert names(plan.over) == [2, 3]
    reasons = ["pinned", "it, or a subvolume in it, is mounted", "one of the 1 newest"]
    assert [why for _, why in plan.stay] == reasons
    system.prune()
    assert system.old_roots() == sorted(path.name for path in (old[0], old[1], old[4]))
    system.filesystem.umount(where)


def test_keep_bytes_while_the_clock_is_behind(system: System) -> None:
    five_of_ten_mebibytes(system)
    system.configure('keep-min = 0\nkeep-bytes = "1KiB"')
    plan = system.plan(system.now(clock=NOW - 30 * DAY))
    assert plan.refused is not None and not plan.may_go
    system.prune(now=system.now(clock=NOW - 30 * DAY))
    assert len(system.old_roots()) == 5


def test_keep_bytes_says_what_and_how_much(system: System) -> None:
    old = five_of_ten_mebibytes(system, 400)
    system.configure('keep-min = 1\nkeep-days = 36500\nkeep-bytes = "35MiB"')
    text = system.command("prune", "--dry-run").stdout.splitlines()
    assert text[0] == "2 old roots to delete; 3 stay."
    assert text[2] == "  to hold no more than 35.0 MiB (50.0 MiB now):"
    assert f"old_roots/{old[0].name}" in text[3] and text[3].endswith("  10.0 MiB")
    document = checked("prune", system.command("prune", "--dry-run", "--json").stdout)
    assert document["bytes"] == 50 << 20
    assert [(one["boot"], one["bytes"]) for one in document["over"]] == [(0, 10 << 20), (1, 10 << 20)]
    done = system.command("prune", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 old roots deleted.\n")


def test_nothing_is_measured_that_nobody_asked_for(system: System) -> None:
    system.configure("keep-min = 1")
    system.boot(90)
    document = checked("prune", system.command("prune", "--yes", "--json").stdout)
    assert (document["bytes"], document["stay"][0]["bytes"]) == (None, None)
    assert checked("prune", system.command("prune", "--dry-run", "--json").stdout)["stay"][0]["bytes"] == 0
