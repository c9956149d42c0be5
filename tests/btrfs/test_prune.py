"""Old roots go when every rule says so, and nothing else ever goes."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import btrfsutil
import pytest

from impermanenced import state
from impermanenced.boots import records, setup
from impermanenced.boots.old_roots import Archive, OldRoot
from impermanenced.boots.prune import protection, prune
from impermanenced.boots.prune.prune import DAY, Now, Plan, Pruned
from impermanenced.boots.prune.sizes import Sizes
from impermanenced.boots.records import BootRecord, BootVolume, NextRequest
from impermanenced.errors import ImpermanenceError, NotSetUp, RecordError
from impermanenced.kernel import btrfs
from impermanenced.kernel.btrfs import delete
from impermanenced.report.report import Manager
from impermanenced.volumes.machine import Machine

from ..conftest import Filesystem, calls, sh

NOW = 1_800_000_000


class System:
    """A machine that is set up; `boot` makes it live through one."""

    def __init__(self, filesystem: Filesystem, directory: Path) -> None:
        self.filesystem = filesystem
        self.top = filesystem.top
        self.config = directory / "config.toml"
        for name in ("seed", "persist", "nix", "home"):
            (filesystem.subvolume(name) / "file").write_text(name)
        filesystem.snapshot("seed", "root-blank", readonly=True)
        filesystem.snapshot("root-blank", "root")
        self.root = filesystem.mount(directory / "mnt", "subvol=root")
        self.configure()
        with Manager(os.fsencode(self.config)) as manager:
            setup.run(manager.config, manager.machine, dry_run=False)
        self.newest = 0
        self.time = NOW  # of the newest record

    def configure(self, archive: str = "", rest: str = "", *, blank: str = "root-blank") -> None:
        self.config.write_text(
            f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\nblank = "{blank}"\n'
            f"[archive]\n{archive or 'keep-min = 0'}\n{rest}"
        )

    @property
    def boots(self) -> Path:
        return self.top / ".impermanence/boots"

    def boot(self, days_ago: float, *, time: int | None = None, good: bool = False, **fields: Any) -> Path:
        """One more boot, so long ago; the old root that it put away."""
        life, self.newest = self.newest, self.newest + 1
        name = state.archive_name(life, str(uuid.UUID(int=life))).decode()
        old = self.filesystem.snapshot("root-blank", f"old_roots/{name}")
        old_uuid = str(uuid.UUID(bytes=btrfsutil.subvolume_info(os.fspath(old)).uuid))
        volume = BootVolume("root", b"root", old=b"old_roots/" + name.encode(), old_uuid=old_uuid)
        self.time = int(NOW - days_ago * DAY) if time is None else time
        record = BootRecord(
            number=self.newest,
            boot_id=str(uuid.UUID(int=self.newest)),
            time=self.time,
            release="6.1.0",
            action="wiped",
            volumes=(volume,),
        )
        self.write(BootRecord(**{**{name: getattr(record, name) for name in record.__slots__}, **fields}))
        if good:
            self.good(self.newest)
        return old

    def write(self, record: BootRecord) -> None:
        (self.boots / f"{record.number}.env").write_bytes(records.format_record(record))

    def good(self, number: int) -> None:
        (self.boots / f"{number}.good").touch()

    def now(self, *, clock: float = NOW, uptime: float | None = None, boot: int | None = None) -> Now:
        """In the newest boot, up since its record was written."""
        number = self.newest if boot is None else boot
        return Now(clock, NOW - self.time if uptime is None else uptime, str(uuid.UUID(int=number)))

    def plan(self, now: Now | None = None) -> Plan:
        with Manager(os.fsencode(self.config)) as manager, self.archive(manager) as archive:
            return prune.look(manager.config, manager.machine, archive, now or self.now())

    def archive(self, manager: Manager) -> Archive:
        return Archive(manager.config, manager.machine)

    def prune(
        self,
        *,
        now: Now | None = None,
        agreed: Plan | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[OldRoot], None] = lambda _: None,
    ) -> Pruned:
        clocks = now or self.now()
        with Manager(os.fsencode(self.config)) as manager, self.archive(manager) as archive:
            config, machine = manager.config, manager.machine
            plan = agreed or prune.look(config, machine, archive, clocks)
            return prune.run(
                config,
                machine,
                archive,
                plan,
                now=lambda: clocks,
                stop=stop or threading.Event(),
                progress=progress,
            )

    def old_roots(self) -> list[str]:
        return sorted(os.listdir(self.top / "old_roots"))

    def subvolumes(self) -> dict[str, int]:
        lines = sh("btrfs", "subvolume", "list", self.top).splitlines()
        return {line.split(" path ")[1]: int(line.split()[1]) for line in lines}

    def reason(self, old: Path, now: Now | None = None) -> str:
        """Why an old root stays, when it is decided and when it is done."""
        plan = self.plan(now)
        (why,) = [why for root, why in plan.stay if root.path == b"old_roots/" + old.name.encode()]
        self.prune(now=now)
        assert old.is_dir()
        return why

    def unknown(self, old: Path) -> str:
        path = b"old_roots/" + os.fsencode(old.name)
        why = self.plan().found.unknown[path]
        self.prune()
        assert os.path.lexists(old)
        return why

    def goes(self, old: Path, now: Now | None = None) -> None:
        self.prune(now=now)
        assert not old.exists()

    def command(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.argv(*argv), check=False, text=True, timeout=60, **{**QUIET, **options})

    def argv(self, *argv: str) -> list[str]:
        script = "import sys; from impermanenced.cli.main import main; sys.exit(main())"
        return [sys.executable, "-c", script, "--config", os.fspath(self.config), *argv]


QUIET: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
}


@pytest.fixture
def system(filesystem: Filesystem, tmp_path: Path) -> Iterator[System]:
    yield System(filesystem, tmp_path)


def names(roots: tuple[OldRoot, ...]) -> list[int | None]:
    return [root.number for root in roots]


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


# Records


def test_unreadable_record(system: System) -> None:
    old = system.boot(90)
    other = system.boot(80)
    system.boot(0)
    (system.boots / "1.env").write_text("VERSION=1\n?\n")
    assert "boots/1.env" in system.plan().found.broken[0]
    assert system.unknown(old) == "is in no record"
    assert not other.exists()


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "of another boot"])
def test_record_that_is_something_else(system: System, kind: str) -> None:
    old = system.boot(90)
    system.boot(0)
    record = system.boots / "1.env"
    aside = system.top / "aside"
    aside.write_bytes(record.read_bytes())
    record.unlink()
    if kind == "fifo":
        os.mkfifo(record)
    elif kind == "link":
        record.symlink_to(aside)
    elif kind == "directory":
        record.mkdir()
    else:
        record.write_bytes((system.boots / "2.env").read_bytes())
    assert system.plan().found.broken
    assert system.unknown(old) == "is in no record"


def test_newest_record_is_unreadable(system: System) -> None:
    old = system.boot(90)
    system.boot(0)
    (system.boots / "2.env").write_text("")
    assert "newest record" in system.reason(old)


def test_unreadable_rollback_env(system: System) -> None:
    # It names the blanks; without it nobody knows all that is in use.
    old = system.boot(90)
    (system.top / ".impermanence/rollback.env").write_text("?")
    with pytest.raises(RecordError):
        system.prune()
    assert old.exists()


# The archive


def test_names_of_others_stay(system: System) -> None:
    # The classic script names old roots by mtime.
    system.boot(0)
    other = system.filesystem.snapshot("seed", "old_roots/2025-01-02_03:04:05")
    assert "name of an old root" in system.unknown(other)
    assert system.prune().gone == ()


def test_old_root_that_no_record_names(system: System) -> None:
    other = system.filesystem.snapshot("seed", f"old_roots/5-{uuid.UUID(int=5)}")
    system.boot(0)
    assert system.unknown(other) == "is in no record"


@pytest.mark.parametrize("other", ["persist", "home", "nix", "seed"])
def test_another_subvolume_under_the_same_name(system: System, other: str) -> None:
    old = system.boot(90)
    system.boot(0)
    agreed = system.plan()
    old.rename(system.top / "aside")
    (system.top / other).rename(old)
    assert system.prune(agreed=agreed).gone == ()
    assert "not the subvolume" in system.unknown(old)
    assert (system.top / "aside").exists()


@pytest.mark.parametrize("target", ["../persist", "/", "../root-blank"])
def test_symbolic_link_in_the_archive(system: System, target: str) -> None:
    old = system.boot(90)
    system.boot(0)
    before = system.subvolumes()
    old.rename(system.top / "aside")
    old.symlink_to(target)
    assert system.unknown(old) == "is not a subvolume"
    assert len(system.subvolumes()) == len(before)


def test_archive_behind_a_symbolic_link(system: System) -> None:
    old = system.boot(90)
    (system.top / "old_roots").rename(system.top / "elsewhere")
    (system.top / "old_roots").symlink_to("elsewhere")
    with pytest.raises(NotSetUp):
        system.prune()
    assert (system.top / "elsewhere" / old.name).exists()


def test_plain_directory_with_the_name_of_an_old_root(system: System) -> None:
    old = system.boot(90)
    old.rename(system.top / "aside")
    old.mkdir()
    assert system.unknown(old) == "is not a subvolume"


def test_old_root_that_somebody_put_one_directory_deeper(system: System) -> None:
    old = system.boot(90)
    aside = old.parent / "aside"
    aside.mkdir()
    old.rename(aside / old.name)
    old.mkdir()
    assert system.unknown(old) == "is not a subvolume"
    assert (aside / old.name).exists()


def test_swapped_between_the_last_look_and_the_deletion(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Deleting by name would take the volume of /persist.
    old = system.boot(90)
    destroy = delete.snap_destroy

    def swap_first(fd: int, number: int) -> None:
        old.rename(system.top / "aside")
        (system.top / "persist").rename(old)
        destroy(fd, number)

    monkeypatch.setattr(delete, "snap_destroy", swap_first)
    system.prune()
    assert (old / "file").read_text() == "persist"
    assert not (system.top / "aside").exists()


def test_moved_away_between_the_plan_and_its_turn(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    old = system.boot(90)
    nested = Path(sh_subvolume(old / "nested"))
    look = protection.look
    calls = []

    def move_first(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:  # the second of the look before each deletion
            old.rename(system.top / "aside")
        return look(*arguments)

    agreed = system.plan()
    monkeypatch.setattr(protection, "look", move_first)
    ((_, why),) = system.prune(agreed=agreed).failed
    assert "not what it was" in why
    assert (system.top / "aside").exists() and not nested.exists()


# What is protected


def test_default_subvolume(system: System) -> None:
    old = system.boot(90)
    btrfsutil.set_default_subvolume(os.fspath(old))
    assert system.reason(old) == "it is the default subvolume"
    btrfsutil.set_default_subvolume(os.fspath(system.top), 5)
    system.goes(old)


def test_default_subvolume_nested_in_it(system: System) -> None:
    old = system.boot(90)
    deep = Path(sh_subvolume(old / "a"))
    btrfsutil.set_default_subvolume(os.fspath(deep))
    assert system.reason(old) == "it is the default subvolume"
    assert deep.exists()
    btrfsutil.set_default_subvolume(os.fspath(system.top), 5)


def sh_subvolume(path: Path) -> str:
    sh("btrfs", "subvolume", "create", path)
    return os.fspath(path)


@pytest.mark.parametrize("what", ["itself", "nested", "bind of a directory", "bind of a nested one"])
def test_mounted(system: System, tmp_path: Path, what: str) -> None:
    old = system.boot(90)
    (old / "etc").mkdir()
    nested = Path(sh_subvolume(old / "nested"))
    (nested / "etc").mkdir()
    where = tmp_path / "elsewhere"
    where.mkdir()
    if what.startswith("bind"):
        sh("mount", "--bind", (nested if "nested" in what else old) / "etc", where)
    else:
        path = (nested if what == "nested" else old).relative_to(system.top)
        sh("mount", "-o", f"subvol={path}", system.filesystem.device, where)
    try:
        assert "is mounted" in system.reason(old)
        assert nested.exists()
    finally:
        sh("umount", where)
    system.goes(old)


def test_something_else_is_mounted_on_a_directory_of_it(system: System) -> None:
    # The kernel would take the mount away together with its mount point.
    old = system.boot(90)
    (old / "data").mkdir()
    sh("mount", "-t", "tmpfs", "none", old / "data")
    try:
        assert system.reason(old) == f"something is mounted on old_roots/{old.name}/data"
    finally:
        sh("umount", old / "data")
    system.goes(old)


def test_mounted_in_another_namespace(system: System, tmp_path: Path) -> None:
    old = system.boot(90)
    where = tmp_path / "elsewhere"
    where.mkdir()
    subvolume = f"subvol=old_roots/{old.name}"
    script = f"mount -o {subvolume} {system.filesystem.device} {where} && echo ready && read x"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert "is mounted" in system.reason(old)
        process.communicate("x\n", timeout=20)
    system.goes(old)


def test_an_old_root_that_has_become_the_blank(system: System) -> None:
    old = system.boot(90)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    system.configure(blank=f"old_roots/{old.name}")
    assert system.reason(old) == "it is the blank of root"


def test_the_blank_of_the_initrd(system: System) -> None:
    # The configuration was changed, and setup has not run since.
    old = system.boot(90)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    system.configure(blank=f"old_roots/{old.name}")
    with Manager(os.fsencode(system.config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    system.configure()
    assert system.reason(old) == "it is the blank of root in the initrd"


def test_the_volume_of_the_initrd(system: System) -> None:
    # The initrd was told of another layout than the configuration is of now.
    old = system.boot(90)
    volume = records.RollbackVolume("root", b"old_roots/" + old.name.encode(), None)
    rollback = records.RollbackEnv((volume,), archive=b"elsewhere")
    (system.top / ".impermanence/rollback.env").write_bytes(records.format_rollback(rollback))
    assert system.reason(old) == "it is the volume root of the initrd"


def test_what_no_deletion_ever_gets_to(system: System) -> None:
    # Not to be found in an archive, and refused all the same.
    btrfsutil.set_default_subvolume(os.fspath(system.top / "home"))
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        ids = protection.look(manager.config, manager.machine, archive).ids
    named = {system.subvolumes()[name]: words for name, words in [
        (".impermanence", "it is the state directory"),
        ("root", "it is the volume root of the initrd"),
        ("root-blank", "it is the blank of root in the initrd"),
        ("home", "it is the default subvolume"),
    ]}  # fmt: skip
    assert ids.items() >= named.items()
    assert ids[5] == "it is the top level"


def test_the_volume_itself(system: System, tmp_path: Path) -> None:
    # Somebody mounts an old root as the root, without the hook.
    old = system.boot(90)
    where = system.filesystem.mount(tmp_path / "second", f"subvol=old_roots/{old.name}")
    system.configure(rest=f'[[volume]]\nmountpoint = "{where}"\npath = "/x"\nname = "x"\nblank = ""\n')
    assert system.reason(old) == "it is the volume x"


def test_persist_that_lies_in_an_old_root(system: System) -> None:
    old = system.boot(90)
    persist = Path(sh_subvolume(old / "persist"))
    system.configure(rest='[persist."/persist"]\ndirectories = ["/var/log"]\n')
    where = system.root / "persist"
    where.symlink_to(persist)
    assert system.reason(old) == "it holds /persist"
    assert persist.exists()
    where.unlink()
    system.goes(old)


def test_protected_meanwhile(system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Mounted after the plan of this very deletion: the nested subvolume that is left is not touched.
    old = system.boot(90)
    nested = Path(sh_subvolume(old / "nested"))
    tree = prune._tree
    where = tmp_path / "late"
    where.mkdir()

    def mount_first(*arguments: Any) -> Any:
        if not os.path.ismount(where):
            path = f"old_roots/{old.name}/nested"
            sh("mount", "-o", f"subvol={path}", system.filesystem.device, where)
        return tree(*arguments)

    monkeypatch.setattr(prune, "_tree", mount_first)
    try:
        ((_, why),) = system.prune().failed
        assert "is mounted" in why
        assert nested.exists()
    finally:
        sh("umount", where)


# Nested subvolumes


def test_nested_three_deep_and_read_only(system: System) -> None:
    old = system.boot(90)
    for path in ("a", "a/b", "a/b/c", "a/b/d", "e"):
        sh_subvolume(old / path)
    for path in ("a/b/c", "a/b", "a", "."):
        sh("btrfs", "property", "set", "-ts", old / path, "ro", "true")
    inside = {name for name in system.subvolumes() if name.startswith("old_roots/")}
    assert len(inside) == 6
    before = system.subvolumes()
    assert not system.prune().failed
    assert before.keys() - system.subvolumes().keys() == inside


def test_nested_in_a_directory_of_a_user(system: System) -> None:
    old = system.boot(90)
    (old / "home/alice").mkdir(parents=True, mode=0o700)
    sh_subvolume(old / "home/alice/sub")
    os.chown(old / "home/alice", 1000, 1000)
    system.goes(old)


@pytest.mark.parametrize("how", ["another of that name", "moved to another subvolume", "made anew"])
def test_nested_one_that_is_not_what_it_was(
    system: System, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A number alone is not enough: its UUID, its parent and its name there must be those of the plan."""
    old = system.boot(90)
    sh_subvolume(old / "nested")
    (old / "nested/file").write_text("nested")
    tree = prune._tree

    def change_after(*arguments: Any) -> Any:
        plan = tree(*arguments)
        if len(plan) > 1 and not (system.top / "aside").exists():
            (old / "nested").rename(system.top / "aside")
            if how == "another of that name":
                (system.top / "persist").rename(old / "nested")
            elif how == "made anew":
                sh_subvolume(old / "nested")
        return plan

    monkeypatch.setattr(prune, "_tree", change_after)
    ((root, why),) = system.prune().failed
    assert (root.number, why) == (0, "nested is not what it was a moment ago")
    assert (system.top / "aside/file").read_text() == "nested"
    if how == "another of that name":
        assert (old / "nested/file").read_text() == "persist"


def test_nested_one_whose_number_another_has(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    # What BTRFS never does, and the UUID guards against all the same.
    old = system.boot(90)
    sh_subvolume(old / "nested")
    tree = prune._tree

    def another_uuid(*arguments: Any) -> Any:
        return [
            node if node.name != b"nested" else dataclasses.replace(node, uuid=bytes(16))
            for node in tree(*arguments)
        ]

    monkeypatch.setattr(prune, "_tree", another_uuid)
    ((_, why),) = system.prune().failed
    assert why == "nested is not what it was a moment ago"
    assert (old / "nested").is_dir()


def test_failure_in_the_middle_is_said_and_the_next_run_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = system.boot(90), system.boot(80)
    for path in ("a", "b", "c"):
        sh_subvolume(old / path)
    destroy, calls = delete.snap_destroy, []

    def fail_second(fd: int, number: int) -> None:
        calls.append(number)
        if len(calls) == 2:
            raise OSError(1, "Operation not permitted")
        destroy(fd, number)

    monkeypatch.setattr(delete, "snap_destroy", fail_second)
    pruned = system.prune()
    assert [(root.number, why) for root, why in pruned.failed] == [(0, "Operation not permitted")]
    assert old.exists() and not other.exists()
    assert len(os.listdir(old)) == 3  # two of the three, and the file of the blank
    monkeypatch.undo()
    system.goes(old)


# Space


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


# Bytes


def in_use(system: System) -> int:
    """What all data takes on the disk; what was deleted has gone."""
    sh("btrfs", "subvolume", "sync", system.top)
    system.filesystem.sync()
    lines = sh("btrfs", "filesystem", "df", "--raw", system.top).splitlines()
    return sum(int(line.rpartition("used=")[2]) for line in lines if line.startswith("Data"))


def exclusive(path: Path) -> int:
    """What btrfs says that nobody else has."""
    lines = sh("btrfs", "filesystem", "du", "--raw", "-s", path).splitlines()
    return int(lines[-1].split()[1])


def sizes(system: System) -> dict[int | None, int]:
    """By number of the boot; of all old roots, the newest first."""
    system.filesystem.sync()
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        found = archive.read()
        measured = Sizes(manager.machine).of(found, reversed(found.roots))
        return {root.number: measured[root.id] for root in found.roots}


def fill(path: Path, mebibytes: float) -> None:
    path.write_bytes(os.urandom(int(mebibytes * (1 << 20))))


def fill_blank(system: System, mebibytes: float) -> None:
    blank = system.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    fill(blank / "big", mebibytes)
    system.filesystem.sync()
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


def test_bytes_are_those_that_btrfs_calls_exclusive_and_that_come_back(system: System) -> None:
    fill_blank(system, 16)
    old, other = system.boot(90), system.boot(80)
    fill(old / "new", 20)
    fill(other / "new", 5)
    with open(old / "big", "r+b") as stream:  # a part of what is the blank's
        stream.seek(4 << 20)
        stream.write(os.urandom(3 << 20))
    os.unlink(other / "big")
    measured = sizes(system)
    assert measured[0] == exclusive(old)
    assert measured[1] == exclusive(other)
    assert measured[0] == 23 << 20 and measured[1] == 5 << 20
    before = in_use(system)
    system.goes(old)
    assert before - in_use(system) == measured[0] + measured[1]


def test_bytes_of_what_is_nested(system: System) -> None:
    fill_blank(system, 4)
    old = system.boot(90)
    fill(old / "new", 2)
    sh_subvolume(old / "a")
    fill(old / "a/new", 3)
    sh_subvolume(old / "a/b")
    fill(old / "a/b/new", 4)
    system.filesystem.sync()
    system.filesystem.snapshot(f"old_roots/{old.name}/a", f"old_roots/{old.name}/c")
    fill(old / "c/more", 5)
    (measured,) = sizes(system).values()
    assert measured == 14 << 20
    before = in_use(system)
    system.goes(old)
    assert before - in_use(system) == measured


def test_an_unchanged_tree_holds_nothing_and_is_hardly_read(system: System) -> None:
    for number in range(3000):
        (system.top / f"seed/file{number}").write_bytes(b"x" * 3000)
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    system.filesystem.snapshot("seed", "root-blank", readonly=True)
    old = system.boot(90)
    system.filesystem.sync()
    tree = btrfs.Tree(os.open(system.top, os.O_RDONLY), btrfsutil.subvolume_id(os.fspath(old)))
    try:
        otransid = btrfsutil.subvolume_info(os.fspath(old)).otransid
        assert calls(lambda: tree.written(0)) > 3000
        assert calls(lambda: tree.written(otransid)) < 100
    finally:
        os.close(tree.fd)
    assert sizes(system) == {0: 0}


def test_bytes_of_small_compressed_reserved_and_missing_parts(system: System) -> None:
    old = system.boot(90)
    (old / "small").write_bytes(b"s" * 1000)
    system.filesystem.sync()
    assert sizes(system) == {0: 1000}
    with open(old / "hole", "wb") as stream:
        stream.truncate(1 << 30)
    assert sizes(system) == {0: 1000}
    with open(old / "reserved", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 8 << 20)
    assert sizes(system)[0] == 1000 + (8 << 20)
    zeros = old / "zeros"
    zeros.touch()
    sh("btrfs", "property", "set", zeros, "compression", "zstd")
    zeros.write_bytes(bytes(4 << 20))
    measured = sizes(system)[0]
    assert 0 < measured - 1000 - (8 << 20) < 1 << 20
    assert measured - 1000 == exclusive(old) - (4 << 20) + in_use_of(zeros)


def in_use_of(path: Path) -> int:
    """What a compressed file takes on the disk: each extent of 128 KiB of zeros is one block."""
    lines = sh("filefrag", "-v", path).splitlines()
    return 4096 * sum("encoded" in line for line in lines)


def test_bytes_of_a_root_that_was_made_empty_in_the_same_transaction(system: System) -> None:
    old = system.boot(90)
    name = old.name
    sh("btrfs", "subvolume", "delete", old)
    system.filesystem.sync()
    sh_subvolume(old)
    fill(old / "new", 1)
    record = records.parse_record((system.boots / "1.env").read_bytes())
    volume = BootVolume("root", b"root", old=b"old_roots/" + name.encode(), old_uuid=uuid_of(old))
    system.write(dataclasses.replace(record, volumes=(volume,)))
    assert sizes(system) == {0: 1 << 20}


def test_bytes_of_the_first_root_of_which_the_blank_is_a_snapshot(system: System) -> None:
    # As installers leave it: what is in the blank does not come back when the first root goes.
    first = system.boot(90)
    fill(first / "installed", 9)
    system.filesystem.sync()
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    system.filesystem.snapshot(f"old_roots/{first.name}", "root-blank", readonly=True)
    fill(first / "later", 2)
    assert sizes(system) == {0: 2 << 20}
    again = boot_again(system, first)
    fill(again / "latest", 1)
    assert sizes(system) == {0: 0, 1: 3 << 20}


def boot_again(system: System, source: Path) -> Path:
    """An old root whose life began as a copy of another one, as `next boot` makes it."""
    system.filesystem.sync()
    taken = uuid_of(source)
    old = system.boot(50)
    name = old.name
    sh("btrfs", "subvolume", "delete", old)
    system.filesystem.snapshot(f"old_roots/{source.name}", f"old_roots/{name}")
    info = btrfsutil.subvolume_info(os.fspath(old))
    made = BootVolume(
        "root", b"root", uuid=uuid_of(old), source=b"x", source_uuid=taken, generation=info.otransid
    )
    life = records.parse_record((system.boots / f"{system.newest - 1}.env").read_bytes())
    (put_away,) = life.volumes
    made = dataclasses.replace(made, old=put_away.old, old_uuid=put_away.old_uuid)
    system.write(dataclasses.replace(life, action="booted", boot=0, volumes=(made,)))
    record = records.parse_record((system.boots / f"{system.newest}.env").read_bytes())
    volume = dataclasses.replace(record.volumes[0], old_uuid=uuid_of(old))
    system.write(dataclasses.replace(record, volumes=(volume,)))
    return old


def uuid_of(path: Path) -> str:
    return str(uuid.UUID(bytes=btrfsutil.subvolume_info(os.fspath(path)).uuid))


def test_what_two_old_roots_have_counts_once_and_to_the_end(system: System) -> None:
    fill_blank(system, 4)
    first = system.boot(90)
    with open(first / "big", "ab") as stream:
        stream.write(os.urandom(6 << 20))
    source = uuid_of(first)
    again = boot_again(system, first)
    fill(again / "more", 1)
    assert sizes(system) == {0: 0, 1: 7 << 20}
    # The one that it was made from goes: only the records know now what it began with.
    sh("btrfs", "subvolume", "delete", "--commit-after", first)
    assert source.encode() in (system.boots / "1.env").read_bytes()
    made = BootVolume("root", b"root", uuid=source, source=b"root-blank", generation=after_the_blank(system))
    system.write(BootRecord(0, str(uuid.UUID(int=0)), NOW - 95 * DAY, "6.1.0", "wiped", volumes=(made,)))
    assert sizes(system) == {1: 7 << 20}
    assert exclusive(again) == 7 << 20


def after_the_blank(system: System) -> int:
    """A transaction between the blank's last change and all that was written to old roots."""
    return int(btrfsutil.subvolume_info(os.fspath(system.top / "root-blank")).ctransid)


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
    document = json.loads(system.command("prune", "--dry-run", "--json").stdout)
    assert document["bytes"] == 50 << 20
    assert [(one["boot"], one["bytes"]) for one in document["over"]] == [(0, 10 << 20), (1, 10 << 20)]
    done = system.command("prune", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 old roots deleted.\n")


def test_nothing_is_measured_that_nobody_asked_for(system: System) -> None:
    system.configure("keep-min = 1")
    system.boot(90)
    document = json.loads(system.command("prune", "--yes", "--json").stdout)
    assert (document["bytes"], document["stay"][0]["bytes"]) == (None, None)
    assert json.loads(system.command("prune", "--dry-run", "--json").stdout)["stay"][0]["bytes"] == 0


# Cuts


def test_stopped_between_two(system: System) -> None:
    old, other = system.boot(90), system.boot(80)
    stop = threading.Event()
    pruned = system.prune(stop=stop, progress=lambda _: stop.set())
    assert (names(pruned.gone), pruned.left, pruned.stopped) == ([0], 1, True)
    assert not old.exists() and other.exists()


def test_stopped_between_two_that_are_nested(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    old = system.boot(90)
    for path in ("a", "b"):
        sh_subvolume(old / path)
    stop = threading.Event()
    destroy = delete.snap_destroy

    def stop_after(fd: int, number: int) -> None:
        destroy(fd, number)
        stop.set()

    monkeypatch.setattr(delete, "snap_destroy", stop_after)
    pruned = system.prune(stop=stop)
    assert (pruned.gone, pruned.failed, pruned.left, pruned.stopped) == ((), (), 1, True)
    assert len({"a", "b"} & set(os.listdir(old))) == 1


def test_deletions_are_on_the_disk_at_the_end(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.boot(90)
    synced = []
    sync = Machine.sync

    def look_first(machine: Machine) -> None:
        synced.append(system.old_roots())
        sync(machine)

    monkeypatch.setattr(Machine, "sync", look_first)
    system.prune()
    assert synced[-1] == []


def slowly(system: System, script: str, *, after: int = 1) -> subprocess.Popen[str]:
    """The real command, with a pause of its own after so many deletions."""
    code = (
        "import itertools, sys, threading\n"
        "from impermanenced.cli.main import main\n"
        "from impermanenced.kernel.btrfs import delete\n"
        "destroy, calls = delete.snap_destroy, itertools.count(1)\n"
        "def pause(fd, number):\n"
        "    destroy(fd, number)\n"
        f"    if next(calls) < {after}:\n"
        "        return\n"
        "    print('deleted one', flush=True)\n"
        f"    {script}\n"
        "delete.snap_destroy = pause\n"
        "sys.exit(main())\n"
    )
    argv = [sys.executable, "-c", code, "--config", os.fspath(system.config), "prune", "--yes"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_idle_io_priority_of_the_unit_and_of_the_command(system: System) -> None:
    unit = (Path(__file__).parents[2] / "systemd/impermanence-prune.service").read_text().splitlines()
    assert {"IOSchedulingClass=idle", "Nice=19"} <= set(unit)
    system.boot(400)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        priority = sh("ionice", "--pid", str(process.pid))
        process.communicate("\n", timeout=20)
    assert priority == "idle\n"
    assert sh("ionice", "--pid", str(os.getpid())) != "idle\n", "this test would have given it that"


def test_the_timer_and_its_service_are_valid(tmp_path: Path) -> None:
    units = Path(__file__).parents[2] / "systemd"
    for name in ("impermanence-prune.service", "impermanence-prune.timer"):
        text = (units / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/impermanence ", "/bin/true "))
    timer = tmp_path / "impermanence-prune.timer"
    service = tmp_path / "impermanence-prune.service"
    argv = ["systemd-analyze", "verify", "--man=no", os.fspath(timer), os.fspath(service)]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def until_first(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while process.stdout.readline() != "deleted one\n":
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_killed_after_any_deletion_and_run_again(system: System, after: int) -> None:
    first = system.boot(400)
    for path in ("a", "a/b"):
        sh_subvolume(first / path)
    system.boot(300)
    system.boot(200)
    others = {name for name in system.subvolumes() if not name.startswith("old_roots/")}
    before = len(system.subvolumes())
    with slowly(system, "threading.Event().wait()", after=after) as process:
        until_first(process)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert len(system.subvolumes()) == before - after
    result = system.command("prune", "--yes")
    assert (result.returncode, result.stderr) == (0, "")
    assert system.old_roots() == []
    assert set(system.subvolumes()) == others


def test_sigterm_ends_between_two_and_says_so(system: System) -> None:
    system.boot(400)
    system.boot(300)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate("\n", timeout=20)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "1 old root deleted; stopped, 1 left for the next run." in output
    assert len(system.old_roots()) == 1


def test_reader_of_the_output_went_away(system: System) -> None:
    # A list that nobody reads is no failed deletion, and what was deleted stays so.
    for days in (400, 300):
        system.boot(days)
    with slowly(system, "sys.stdin.readline()") as process:
        until_first(process)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate("\n", timeout=20)
    assert (process.returncode, errors) == (128 + signal.SIGPIPE, "")
    assert len(system.old_roots()) == 1


def test_two_at_once(system: System) -> None:
    system.boot(400)
    with Manager(os.fsencode(system.config)) as manager, system.archive(manager) as archive:
        archive.lock()
        result = system.command("prune", "--yes")
        assert (result.returncode, "already" in result.stderr) == (1, True)
        assert system.command("prune", "--dry-run").returncode == 0
    assert len(system.old_roots()) == 1


# The command


def test_dry_run_lists_the_same_and_deletes_nothing(system: System) -> None:
    system.configure('keep-min = 1\nkeep-bytes = "1GiB"')
    system.boot(400)
    system.boot(300)
    before = system.subvolumes()
    tried = system.command("prune", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert system.subvolumes() == before
    done = system.command("prune", "--yes")
    assert done.returncode == 0, done.stderr
    assert tried.stdout.startswith("1 old root to delete; 1 stays.\n")
    assert f"boot 0  old_roots/0-{uuid.UUID(int=0)}" in tried.stdout
    assert "one of the 1 newest" in tried.stdout
    assert done.stdout.startswith(tried.stdout)
    assert done.stdout.endswith("1 old root deleted.\n")
    again = system.command("prune", "--yes")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "nothing to prune, 1 old root stays.")


def test_what_is_said_about_space(system: System) -> None:
    system.configure('keep-min = 1\nkeep-days = 30000\nfree-min = "100%"')
    for days in (400, 300):
        system.boot(days)
    lines = system.command("prune", "--dry-run").stdout.splitlines()
    assert lines[0] == "up to 1 old root to delete for space; 1 stays."
    assert lines[2].startswith("  while less than 512.0 MiB is free (")


def test_json(system: System) -> None:
    system.configure("keep-min = 1")
    system.boot(400)
    system.boot(300)
    (system.top / "old_roots/b\nad").mkdir()
    document = json.loads(system.command("prune", "--json", "--dry-run").stdout)
    assert (document["version"], document["dry_run"], document["refused"]) == (1, True, None)
    assert [root["boot"] for root in document["go"]] == [0]
    assert document["stay"][0]["reason"] == "one of the 1 newest"
    assert document["unknown"][0]["path"] == "old_roots/b\\x0aad"
    assert document["deleted"] == []
    document = json.loads(system.command("prune", "--json", "--yes").stdout)
    assert [root["path"] for root in document["deleted"]] == [f"old_roots/0-{uuid.UUID(int=0)}"]


def test_nobody_to_ask(system: System) -> None:
    system.boot(400)
    result = system.command("prune")
    assert (result.returncode, "--yes" in result.stderr) == (2, True)
    assert len(system.old_roots()) == 1


@pytest.mark.parametrize("answer, left", [("n\n", 1), ("\n", 1), ("\x04", 1), ("y\n", 0)])
def test_it_asks(system: System, answer: str, left: int) -> None:
    system.boot(400)
    ours, theirs = pty.openpty()
    try:
        argv, pipe = system.argv("prune"), subprocess.PIPE
        process = subprocess.Popen(argv, stdin=theirs, stdout=pipe, stderr=theirs, text=True)
        os.write(ours, answer.encode())
        output, _ = process.communicate(timeout=60)
    finally:
        os.close(theirs)
        os.close(ours)
    assert len(system.old_roots()) == left
    assert ("nothing was deleted" in output) == bool(left)


def test_refusal_is_a_failure(system: System) -> None:
    system.boot(400)
    system.boot(0, time=4_000_000_000)
    result = system.command("prune", "--yes")
    assert result.returncode == 1
    assert "clock is behind" in result.stderr
    assert len(system.old_roots()) == 2


def test_pin_and_unpin(system: System) -> None:
    system.boot(400)
    assert system.command("pin", "0").returncode == 0
    assert "pinned" in system.command("prune", "--yes").stdout
    assert system.command("pin", "5").returncode == 1
    assert system.command("unpin", "0").returncode == 0
    assert system.command("prune", "--yes").returncode == 0
    assert system.old_roots() == []


def test_machine_that_is_not_set_up(system: System) -> None:
    sh("btrfs", "subvolume", "delete", system.top / ".impermanence")
    result = system.command("prune", "--yes")
    assert (result.returncode, "impermanence setup" in result.stderr) == (5, True)


def test_the_capabilities_of_the_service_are_enough(system: System) -> None:
    system.configure('keep-min = 0\nkeep-days = 36500\nkeep-bytes = "1KiB"')
    old = system.boot(400)
    fill(old / "big", 1)
    system.filesystem.sync()
    (old / "home/alice").mkdir(parents=True)
    sh_subvolume(old / "home/alice/sub")
    os.chmod(old / "home", 0o1777)
    os.chown(old / "home", 1001, 1001)
    os.chown(old / "home/alice", 1000, 1000)
    os.chown(old / "home/alice/sub", 1000, 1000)
    sh("btrfs", "property", "set", "-ts", old, "ro", "true")
    sh("btrfs", "property", "set", "-ts", old / "home/alice/sub", "ro", "true")
    unit = Path(__file__).parents[2] / "systemd/impermanence-prune.service"
    (line,) = [line for line in unit.read_text().splitlines() if line.startswith("CapabilityBoundingSet=")]
    wanted = "".join(f",+{name.removeprefix('CAP_').lower()}" for name in line.partition("=")[2].split())
    wrap = ["setpriv", f"--bounding-set=-all{wanted}", f"--inh-caps=-all{wanted}"]
    argv = [*wrap, *system.argv("prune", "--yes")]
    result = subprocess.run(argv, check=False, text=True, **QUIET)
    assert (result.returncode, result.stderr) == (0, "")
    assert system.old_roots() == []
