"""What nobody has looked at does not go by its age alone, if it is grave."""

from __future__ import annotations

import fcntl
import os
import random
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.boots import records
from impermanenced.boots.records import EndRecord
from impermanenced.losses import LossClass
from tests.schema import checked

from .machine import System, sh_subvolume

DATABASE = b"SQLite format 3\0" + bytes(4096)
BOOT_ID = "00000000-0000-0000-0000-{:012x}"


def document(system: System, *argv: str) -> dict[str, list[int]]:
    result = system.command("prune", "--json", *argv)
    assert result.returncode == 0, result.stderr
    found = checked("prune", result.stdout)
    return {key: [one["boot"] for one in found[key]] for key in ("go", "over", "spare", "stay", "deleted")}


def write(old: Path, *, grave: bool) -> None:
    if grave:
        (old / "state.db").write_bytes(DATABASE)
    else:
        (old / "notes.log").write_text("a line\n")


def noted(system: System, number: int, worst: LossClass | None) -> None:
    record = EndRecord(BOOT_ID.format(number), 5, 1, 10, complete=True, worst=worst)
    (system.boots / f"{number}.end").write_bytes(records.format_end(record))


def test_one_that_lost_a_database_stays_until_it_is_reviewed(system: System) -> None:
    system.configure("keep-min = 0")
    write(system.boot(400), grave=True)
    write(system.boot(390), grave=False)
    assert document(system, "--dry-run")["go"] == [1]
    assert not list(system.boots.glob("*.lost"))  # a dry run records nothing
    assert document(system, "--yes")["deleted"] == [1]
    record = records.parse_end((system.boots / "0.lost").read_bytes())
    assert (record.crud, record.worst) == (1, LossClass.DATABASE)
    assert document(system, "--yes")["deleted"] == []
    told = system.command("boots").stdout
    assert "the worst a database" in told and "not reviewed: impermanence reviewed 0" in told
    assert "not reviewed: what boot 0 lost" in system.command("status").stdout
    assert system.command("reviewed", "0").returncode == 0
    assert "reviewed already" in system.command("reviewed", "0").stdout
    assert "not reviewed" not in system.command("boots").stdout
    assert "not reviewed" not in system.command("status").stdout
    assert document(system, "--yes")["deleted"] == [0]


def test_what_the_daemon_said_at_the_shutdown_counts(system: System) -> None:
    old, other = system.boot(90), system.boot(80)
    noted(system, 0, LossClass.SECRET)
    noted(system, 1, LossClass.CACHE)
    assert system.reason(old) == "not reviewed: it lost secret"
    assert not other.exists()


def test_the_classes_are_a_setting(system: System) -> None:
    system.configure("keep-min = 0\nkeep-unreviewed = ['document']")
    database, document_ = system.boot(90), system.boot(80)
    noted(system, 0, LossClass.DATABASE)
    noted(system, 1, LossClass.DOCUMENT)
    system.prune()
    assert not database.exists() and document_.exists()
    system.configure("keep-min = 0\nkeep-unreviewed = []")
    system.goes(document_)


def test_a_limit_of_space_is_harder(system: System) -> None:
    system.configure('keep-min = 0\nkeep-bytes = "64KiB"')
    old, newer = system.boot(90), system.boot(80)
    for root in (old, newer):
        (root / "big").write_bytes(os.urandom(60_000))
    for number in (0, 1):
        noted(system, number, LossClass.SECRET)
    system.filesystem.sync()
    assert [root.number for root in system.plan().over] == [0]
    system.prune()
    assert not old.exists() and newer.exists()


def test_what_cannot_be_judged_stays_and_says_why(system: System) -> None:
    system.boot(400)
    old = next((system.top / "old_roots").glob("0-*"))
    fd = os.open(old, os.O_RDONLY)  # something else holds the lock of prune
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        found = checked("prune", system.command("prune", "--json", "--dry-run").stdout)
        assert "what it lost cannot be told" in found["stay"][0]["reason"]
        assert "is being pruned" in found["stay"][0]["reason"]
    finally:
        os.close(fd)


def test_all_that_wait_at_once(system: System) -> None:
    for _ in range(3):
        system.boot(90)
    for number in (0, 2):
        noted(system, number, LossClass.SECRET)
    assert system.command("reviewed", "--all").stdout == "2 boots reviewed\n"
    assert sorted(path.name for path in system.boots.glob("*.reviewed")) == ["0.reviewed", "2.reviewed"]


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ((), 2, "which boot?"),
        (("--all", "1"), 2, "which boot?"),
        (("x",), 2, "x is not the number of a boot"),
        (("7",), 1, "there is no old root of boot 7"),
    ],
)
def test_what_makes_no_sense(system: System, argv: tuple[str, ...], code: int, message: str) -> None:
    system.boot(90)
    result = system.command("reviewed", *argv)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr and "hint: " in result.stderr


def test_two_hundred_old_roots(system: System) -> None:
    """Exactly what the policy says goes, with all that is nested, and the space is free when it is said."""
    chosen = random.Random(15)
    system.configure("keep-min = 5\nkeep-days = 30")
    stay: set[str] = set()
    go: set[str] = set()
    for number in range(200):
        days = 230 - number
        old = system.boot(days)
        for depth in range(chosen.choice([0, 0, 1, 3])):
            sh_subvolume(old / "/".join(["nested"] * (depth + 1)))
        worst = chosen.choice([None, LossClass.CACHE, LossClass.CACHE, LossClass.DATABASE])
        noted(system, number, worst)
        if chosen.random() < 0.3:
            (system.boots / f"{number}.reviewed").touch()
            worst = None
        if chosen.random() < 0.05:
            (system.boots / f"{number}.pin").touch()
        pinned = (system.boots / f"{number}.pin").exists()
        young = days < 30 or number >= 195
        (stay if young or pinned or worst is LossClass.DATABASE else go).add(old.name)
    kept = {name for name in system.subvolumes() if not name.startswith("old_roots/")}
    pruned = system.prune()
    assert (pruned.failed, pruned.settled) == ((), True)
    assert set(system.old_roots()) == stay
    assert {os.path.basename(root.path).decode() for root in pruned.gone} == go
    assert {name for name in system.subvolumes() if not name.startswith("old_roots/")} == kept
    assert btrfsutil.deleted_subvolumes(os.fspath(system.top)) == []


def test_free_is_free_when_it_is_said(system: System) -> None:
    old = system.boot(90)
    (old / "big").write_bytes(os.urandom(30 << 20))
    system.filesystem.sync()
    before = used(system)
    assert system.prune().settled
    assert before - used(system) > 29 << 20


def used(system: System) -> int:
    status = os.statvfs(system.top)
    return (status.f_blocks - status.f_bfree) * status.f_frsize
