"""The script that people copy, and ours, disturbed in the same ways: what each of them loses.

That the classic one loses proves that the harness can see it.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from impermanenced.boots.records import RollbackVolume
from tests.conftest import Filesystem
from tests.shell.cuts import Rig, Tracer, Wrappers, unmount_after_death
from tests.shell.hook import Initrd, System

DAY = 24 * 3600
ROOT = RollbackVolume("root", b"root", None)  # the classic script knows no blank


@dataclasses.dataclass
class Tally:
    """Of disturbed boots and the boots after them."""

    tried: int = 0
    missing: int = 0  # no root to boot
    lost: int = 0  # files of the previous root, or of what no wipe is about, that are nowhere any more
    unfinished: int = 0  # the next boot, which nothing disturbs, did not end with a fresh root

    def line(self, words: str) -> str:
        fields = (words, self.tried, self.missing, self.lost, self.unfinished)
        return " | ".join(str(field) for field in fields) + "\n"


class Machine:
    """A filesystem with `root` and others, and either script to wipe it."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.system = System(filesystem, ROOT)
        self.filesystem = filesystem
        self.top = filesystem.top
        self.precious = {"root": "precious"}
        (self.top / "root/precious").write_text("of the previous root\n")
        for name in ("persist", "nix"):
            self.keep(name)
        (self.top / "old_roots").mkdir()
        self.initrd = Initrd(filesystem.directory, filesystem.device)

    def keep(self, path: str) -> Path:
        """A subvolume that no wipe has any business with."""
        word = path.replace("/", "-")
        self.precious[path] = word
        (self.filesystem.subvolume(path) / word).write_text(word)
        return self.top / path

    def age(self, path: str, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(self.top / path, (then, then))

    def rig(self, script: str) -> Rig:
        directory = self.filesystem.directory / script
        if script == "classic":
            return Rig(self.filesystem, Wrappers(directory), self.classic_arguments)
        return Rig(self.filesystem, Tracer(directory), self.our_arguments)

    def classic_arguments(self, run: Path) -> list[str]:
        return [self.filesystem.device, os.fspath(run / "impermanence/top")]

    def our_arguments(self, run: Path) -> list[str]:
        self.initrd.device = self.filesystem.device
        return self.initrd.arguments(run, "")

    def boots(self, rig: Rig) -> bool:
        """There is a root to mount."""
        rig.disk.on()
        try:
            return (self.top / "root").is_dir()
        finally:
            rig.disk.off()

    def lost(self, rig: Rig) -> list[str]:
        rig.disk.on()
        try:
            names = {path.name for path in walk(self.top)}
            return [path for path, word in self.precious.items() if word not in names]
        finally:
            rig.disk.off()

    def fresh(self, rig: Rig) -> bool:
        rig.disk.on()
        try:
            return (self.top / "root").is_dir() and not list((self.top / "root").iterdir())
        finally:
            rig.disk.off()


def walk(directory: Path) -> Iterator[Path]:
    for below, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield Path(below) / name


def plain(machine: Machine) -> None:
    """A root of this boot and one old root of yesterday."""
    machine.keep("old_roots/2026-01-2_10:00:00")


def old_ones(machine: Machine) -> None:
    """An old root of 31 days with two subvolumes in it: the classic script has something to delete."""
    plain(machine)
    for path in ("old", "old/machines", "old/portables"):
        machine.filesystem.subvolume(f"old_roots/{path}")
    machine.age("old_roots/old", 31)


def long_uptime(machine: Machine) -> None:
    """Nothing was created in `/` itself for 31 days: by its mtime the root is as old as that."""
    plain(machine)
    machine.age("root", 31)


Layout = Callable[[Machine], None]


def cuts(machine: Machine, rig: Rig) -> Tally:
    """Every step, what it did on the disk or not."""
    tally = Tally()
    beginning = rig.disk.template
    for turn in range(1, rig.turns(beginning) + 1):
        for sync in (False, True):
            rig.cut(beginning, after=turn, sync=sync)
            tally.tried += 1
            tally.missing += not machine.boots(rig)
            rig.boot()
            tally.lost += bool(machine.lost(rig))
            tally.unfinished += not machine.fresh(rig)
    return tally


def failures(machine: Machine, rig: Rig) -> Tally:
    """Every step fails once, and the machine goes on booting."""
    tally = Tally()
    beginning = rig.disk.template
    for turn in range(1, rig.turns(beginning) + 1):
        rig.disk.load(beginning)
        _, run = rig.boot(fail=turn)
        unmount_after_death(run)
        tally.tried += 1
        tally.missing += not machine.boots(rig)
        rig.boot()
        tally.lost += bool(machine.lost(rig))
        tally.unfinished += not machine.fresh(rig)
    return tally


Disturb = Callable[[Machine, Rig], Tally]


def tell(who: str, layout: Layout, disturb: Disturb, tally: Tally) -> None:
    sys.stdout.write(tally.line(f"{who}, {layout.__name__}, {disturb.__name__}"))


@pytest.mark.parametrize("disturb", [cuts, failures])
@pytest.mark.parametrize("layout", [plain, old_ones, long_uptime])
def test_the_classic_script_loses(filesystem: Filesystem, layout: Layout, disturb: Disturb) -> None:
    machine = Machine(filesystem)
    layout(machine)
    tally = disturb(machine, machine.rig("classic"))
    tell("classic", layout, disturb, tally)
    # Between the rename and the new root there is none; what is deleted in between makes that longer.
    assert tally.missing >= (3 if layout is old_ones and disturb is cuts else 1)
    # The life of a minute ago has the mtime of a month ago: it goes with the old ones.
    assert tally.lost == (tally.tried if layout is long_uptime else 0)


@pytest.mark.parametrize("layout", [old_ones, long_uptime])
def test_ours_does_not(filesystem: Filesystem, layout: Layout) -> None:
    machine = Machine(filesystem)
    layout(machine)
    tally = cuts(machine, machine.rig("ours"))
    tell("ours", layout, cuts, tally)
    assert tally.tried >= 28
    assert (tally.missing, tally.lost, tally.unfinished) == (0, 0, 0)


@pytest.mark.parametrize("script", ["classic", "ours"])
def test_two_boots_of_one_mtime(filesystem: Filesystem, script: str) -> None:
    """A clock that starts at the same moment, or the mtime that a snapshot has from its blank."""
    machine = Machine(filesystem)
    rig = machine.rig(script)
    for number in range(3):
        rig.disk.on()
        life = f"life {number}"
        machine.precious[f"root of boot {number}"] = life
        (machine.top / "root" / life).touch()
        os.utime(machine.top / "root", (1_000_000_000, 1_000_000_000))
        rig.disk.off()
        rig.boot()
    rig.disk.on()
    lives = [path.relative_to(machine.top) for path in walk(machine.top) if "life" in path.name]
    rig.disk.off()
    if script == "classic":
        # More than 30 days old by its mtime, so each is deleted in the boot that archives it.
        assert lives == []
    else:
        assert [path.parts[0] for path in lives] == ["old_roots"] * 3
        assert len({path.parts[1] for path in lives}) == 3


def test_one_mtime_puts_a_root_into_another(filesystem: Filesystem) -> None:
    machine = Machine(filesystem)
    rig = machine.rig("classic")
    now = time.time() - DAY
    for life in ("first", "second", "third"):
        rig.disk.on()
        (machine.top / "root" / life).touch()
        os.utime(machine.top / "root", (now, now))
        rig.disk.off()
        rig.boot()
    rig.disk.on()
    (first,) = (machine.top / "old_roots").iterdir()
    assert (first / "root/second").exists(), "mv has put the second root into the first"
    assert (machine.top / "root/third").exists(), "and the third time it can do nothing: no wipe"
    rig.disk.off()


@pytest.mark.parametrize("script", ["classic", "ours"])
def test_plain_directory_among_the_old_roots(filesystem: Filesystem, script: str) -> None:
    """Of a plain directory `btrfs subvolume list -o` tells the subvolumes of the whole filesystem."""
    machine = Machine(filesystem)
    plain(machine)
    (machine.top / "old_roots/notes").mkdir()
    machine.age("old_roots/notes", 31)
    rig = machine.rig(script)
    rig.boot()
    lost = machine.lost(rig)
    if script == "classic":
        assert {"persist", "nix", "root"} <= set(lost)
    else:
        assert lost == []
        assert machine.fresh(rig)
