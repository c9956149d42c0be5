"""Old roots go when every rule of age and number says so: settings, pins, clocks, good boots."""

from __future__ import annotations

import os
import uuid

import btrfsutil
import pytest

from impermanenced.boots import records
from impermanenced.boots.prune.prune import DAY
from impermanenced.boots.records import BootRecord, BootVolume, NextRequest
from impermanenced.errors import ImpermanenceError, RecordError
from impermanenced.report.report import Manager

from .machine import NOW, System, names

# Which ones


def test_only_what_is_old_enough_goes_and_nothing_else(system: System) -> None:
    system.configure("keep-min = 1\nkeep-days = 30")
    for days in (90, 60, 30, 29, 1, 0):
        system.boot(days)
    before = system.subvolumes()
    plan = system.plan()
    assert names(plan.go) == [0, 1, 2]
    assert {why for _, why in plan.stay} == {"younger than 30 days", "one of the 1 newest"}
    pruned = system.prune()
    assert names(pruned.gone) == [0, 1, 2] and not pruned.failed and not pruned.stopped
    after = system.subvolumes()
    gone = {f"old_roots/{number}-{uuid.UUID(int=number)}" for number in range(3)}
    assert before.keys() - after.keys() == gone
    assert after == {name: number for name, number in before.items() if name not in gone}
    assert (system.top / "persist/file").read_text() == "persist"
    assert system.prune().gone == ()


def test_a_second_is_enough_for_keep_days(system: System) -> None:
    system.configure("keep-min = 0\nkeep-days = 30")
    old = system.boot(0, time=NOW - 30 * DAY + 1)
    system.boot(0)
    assert "younger" in system.reason(old)
    system.goes(old, system.now(clock=NOW + 1, uptime=1e9))


@pytest.mark.parametrize("keep, left", [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4)])
def test_never_fewer_than_keep_min_stay(system: System, keep: int, left: int) -> None:
    system.configure(f"keep-min = {keep}\nkeep-days = 0")
    old = [system.boot(100) for _ in range(4)]
    system.prune()
    assert [one.name for one in old[4 - left :]] == system.old_roots()


def test_keep_min_counts_only_what_can_be_an_old_root(system: System) -> None:
    # A plain directory, or somebody else's snapshot, is no old root to go back to.
    system.configure("keep-min = 1")
    old = system.boot(90)
    (system.top / f"old_roots/50-{uuid.UUID(int=50)}").mkdir()
    system.filesystem.snapshot("seed", f"old_roots/51-{uuid.UUID(int=51)}")
    assert "newest" in system.reason(old)


def test_keep_min_holds_for_each_volume(system: System) -> None:
    system.configure("keep-min = 1\nkeep-days = 0")
    volumes = []
    for suffix in ("", ".home"):
        path = system.filesystem.snapshot("seed", f"old_roots/0-{uuid.UUID(int=0)}{suffix}")
        found = str(uuid.UUID(bytes=btrfsutil.subvolume_info(os.fspath(path)).uuid))
        name = b"old_roots/" + path.name.encode()
        volumes.append(BootVolume(suffix or "root", b"x" + name, old=name, old_uuid=found))
    system.newest = 1
    volumes = [BootVolume(f"v{index}", one.subvolume, old=one.old, old_uuid=one.old_uuid)
               for index, one in enumerate(volumes)]  # fmt: skip
    record = BootRecord(1, str(uuid.UUID(int=1)), NOW - 90 * DAY, "6.1.0", "wiped", volumes=tuple(volumes))
    system.write(record)
    assert len(system.plan().stay) == 2


def test_pins(system: System) -> None:
    old = system.boot(90)
    system.boot(0)
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        assert archive.pin(0) is True
        assert archive.pin(0) is False
        with pytest.raises(ImpermanenceError, match="no old root of boot 7"):
            archive.pin(7)
    assert system.reason(old) == "pinned"
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        assert archive.unpin(0) is True
        assert archive.unpin(0) is False
    system.goes(old)


def test_pinned_after_it_was_agreed_on(system: System) -> None:
    old = system.boot(90)
    system.boot(0)
    agreed = system.plan()
    (system.boots / "0.pin").touch()
    assert system.prune(agreed=agreed).left == 1
    assert old.exists()


def test_pinned_while_others_are_deleted(system: System) -> None:
    # A directory that stays open does not list what came later by itself.
    first, second = system.boot(90), system.boot(80)
    system.prune(progress=lambda _: (system.boots / "1.pin").touch())
    assert not first.exists() and second.exists()


def test_nothing_goes_that_was_not_agreed_on(system: System) -> None:
    system.boot(90)
    agreed = system.plan()
    later = system.boot(80)
    system.boot(0)
    assert names(system.prune(agreed=agreed).gone) == [0]
    assert later.exists()


def test_what_the_next_boot_wants(system: System) -> None:
    old = system.boot(90)
    system.boot(0)
    request = system.top / ".impermanence/next"
    request.write_bytes(records.format_next(NextRequest("boot", "x-1", boot=0)))
    assert "next boot" in system.reason(old)
    request.write_text("?")
    with pytest.raises(RecordError):
        system.prune()
    assert old.exists()
    request.unlink()
    system.goes(old)


def test_what_this_boot_was_started_from(system: System) -> None:
    old = system.boot(90)
    system.boot(0, action="booted", boot=0)
    assert "started from it" in system.reason(old)


# Clocks


@pytest.mark.parametrize("clock", [0, 946_684_800, NOW - 2 * DAY])
def test_clock_behind_the_newest_record(system: System, clock: float) -> None:
    old = system.boot(3000)
    system.boot(1)
    assert "clock is behind" in system.reason(old, system.now(clock=clock))


def test_hardware_clock_on_local_time(system: System) -> None:
    # The initrd of a machine in UTC+14 takes the time of the day for UTC.
    old = system.boot(90)
    system.boot(0, time=NOW + 14 * 3600)
    assert "clock is behind" in system.reason(old, system.now(clock=NOW - 1, uptime=60))
    system.goes(old, system.now(clock=NOW, uptime=60))


def test_everything_in_1970(system: System) -> None:
    old = system.boot(0, time=0)
    system.boot(0, time=10)
    assert "clock is behind" in system.reason(old, system.now(clock=40 * DAY))


def test_record_in_the_future(system: System) -> None:
    old = system.boot(-10)
    system.boot(100)
    assert "nobody knows" in system.reason(old)


def test_a_clock_put_forward_makes_nothing_old(system: System) -> None:
    # The clock is in 2099, but this boot began an hour ago by the initrd's.
    old = system.boot(1)
    system.boot(0)
    assert "younger" in system.reason(old, system.now(clock=NOW + 70 * 365 * DAY))
    system.goes(old, system.now(clock=NOW + 70 * 365 * DAY, uptime=40 * DAY))


def test_a_boot_without_a_clock_is_as_old_as_the_next_with_one(system: System) -> None:
    old = system.boot(0, time=5)
    system.boot(2)
    assert "younger" in system.reason(old)


def test_a_boot_whose_clock_was_behind_is_no_older_than_the_one_before(system: System) -> None:
    system.configure("keep-min = 0\nkeep-days = 30")
    system.boot(10)
    old = system.boot(300)
    system.boot(0)
    assert "younger" in system.reason(old)


def test_age_is_not_the_mtime(system: System) -> None:
    # A snapshot carries the mtime of the blank: `find -mtime +30` takes the newest old root.
    old = system.boot(1)
    system.boot(0)
    os.utime(old, (0, 0))
    assert "younger" in system.reason(old)


# Good boots


def test_boot_that_is_not_found_good(system: System) -> None:
    old = system.boot(90, good=True)
    system.boot(80)
    system.boot(0)
    assert "not been found good" in system.reason(old)
    system.good(system.newest)
    system.goes(old)


def test_good_mark_of_another_boot_does_not_count(system: System) -> None:
    # impermanence=off leaves no record: what runs now is not what the newest record speaks of.
    old = system.boot(90, good=True)
    system.boot(0, good=True)
    assert "not been found good" in system.reason(old, system.now(boot=77))


def test_newest_good_old_root_stays(system: System) -> None:
    system.boot(90, good=True)
    good = system.boot(80)
    bad = system.boot(70)
    system.boot(0, good=True)
    assert "good boot" in system.reason(good)
    assert not bad.exists()
