"""A disk that is full before the boot or fills up during it, and steps that fail: no life is lost,
the machine has a root, it says what happened, and the first boot with space again wipes.

BTRFS is full when its metadata is: then no directory can be made, while a snapshot or a rename may still
live on the reserve.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.boots import records
from impermanenced.boots.records import BootRecord
from tests.conftest import Filesystem, sh
from tests.shell import fill
from tests.shell.cuts import Rig, Tracer
from tests.shell.hook import HOME, ROOT, Initrd, System, uuid_of

SPARE = 700  # leaves of 16 KiB: with so many free no step wants for space
LEVELS = (0, 100, 200, 300, 400, SPARE)  # leaves that are free when the boot begins


@pytest.fixture
def filesystem(tmp_path: Path) -> Iterator[Filesystem]:
    """About the smallest that there is, filled in a second."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a loop device: run make test as root")
    filesystem = Filesystem(tmp_path, "110M")
    try:
        yield filesystem
    finally:
        filesystem.close()


class Trial:
    """A system whose next boot gets into trouble."""

    def __init__(self, filesystem: Filesystem, volumes: int, *, full: bool, exchanges: bool = True) -> None:
        self.system = System(filesystem, *(ROOT, HOME)[:volumes])
        self.system.initrd.boot()
        self.names = ("root", "home")[:volumes]
        for name in self.names:
            self.system.dirty("precious", name)
        self.lives = {name: uuid_of(self.system.top / name) for name in self.names}
        self.ballast = self.system.top / "ballast"
        if full:
            sh("btrfs", "subvolume", "create", self.ballast)
            self.leaves = fill.fill(os.fspath(self.ballast))
            filesystem.sync()
        self.initrd = Initrd(filesystem.directory, filesystem.device)
        self.tracer = Tracer(filesystem.directory / "tracer", exchanges=exchanges)
        self.rig = Rig(filesystem, self.tracer, self.arguments)

    def arguments(self, run: Path) -> list[str]:
        self.initrd.device = self.system.filesystem.device
        return self.initrd.arguments(run, "")

    def leave(self, leaves: int, *, data: bool = True) -> Path:
        """An image of the full disk with so many leaves free again, and some data."""
        image = self.rig.directory / "beginning.img"
        self.rig.disk.load(self.rig.disk.template)
        self.rig.disk.on()
        for number in range(leaves):
            (self.ballast / f"leaf{number}").unlink()
        if data:
            (self.ballast / "data").unlink()
        self.rig.disk.off(image)
        return image

    def make_room(self) -> None:
        filler = self.system.top / "filler"
        shutil.rmtree(filler if filler.exists() else self.ballast, ignore_errors=True)
        self.system.filesystem.sync()

    def judge(self, status: int, run: Path) -> BootRecord | None:
        """After the boot in trouble: what it says, and that nothing is missing or half done."""
        log = (run / "log").read_text() if (run / "log").exists() else ""
        assert status == 0, log
        if os.path.ismount(run / "impermanence/top"):
            assert "could not be unmounted" in log
            sh("umount", run / "impermanence/top")
        file = run / "impermanence/rollback.env"
        result = records.parse_record(file.read_bytes()) if file.exists() else None
        assert result is not None or "failed" in log or "could not be put into" in log, log
        unchanged = result is not None and result.action in {"failed", "refused"}
        assert result is None or unchanged or result.action == "wiped", log
        assert not unchanged or (result is not None and result.reason in log)
        self.rig.disk.on()
        try:
            waits = "the next boot" in log
            self.nothing_is_lost(log, waits=waits)
            wiped = [not (self.system.top / name / "precious").exists() for name in self.names]
            assert waits or len(set(wiped)) == 1, f"half a switch: {log}"
            assert result is None or unchanged or wiped[0], log
        finally:
            self.rig.disk.off()
        return result

    def nothing_is_lost(self, log: str, *, waits: bool = False) -> None:
        top = self.system.top
        places = [top, top / "old_roots", top / ".impermanence/staging"]
        subvolumes = {uuid_of(path) for place in places for path in place.iterdir() if is_subvolume(path)}
        for name, life in self.lives.items():
            assert waits or (top / name / "etc/hostname").exists(), f"no root: {log}"
            assert life in subvolumes, f"lost: {log}"

    def recovers(self) -> None:
        self.rig.disk.on()
        self.make_room()
        self.rig.disk.off()
        status, run = self.rig.boot()
        log = (run / "log").read_text()
        result = records.parse_record((run / "impermanence/rollback.env").read_bytes())
        assert (status, result.action) == (0, "wiped"), log
        self.rig.disk.on()
        try:
            self.nothing_is_lost(log)
            assert list((self.system.state / "staging").iterdir()) == []
            for name in self.names:
                assert not (self.system.top / name / "precious").exists(), log
        finally:
            self.rig.disk.off()


def is_subvolume(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.stat().st_ino == 256


def words_of(result: BootRecord | None) -> str:
    if result is None:
        return "only the log tells"
    reason = re.sub(r"/\S+/(impermanence|loop\d+)", r"/\1", result.reason)
    return result.action + (f": {reason}" if reason else "")


def table(words: str, told: Counter[str]) -> None:
    lines = [f"  {count} x {word}\n" for word, count in sorted(told.items())]
    sys.stdout.write(f"{words}\n{''.join(lines)}")


def test_full_before_the_boot(filesystem: Filesystem) -> None:
    trial = Trial(filesystem, 1, full=True)

    def boot(leaves: int, *, data: bool = True) -> str:
        trial.rig.disk.load(trial.leave(leaves, data=data))
        word = words_of(trial.judge(*trial.rig.boot()))
        trial.recovers()
        space = f"{leaves} of {trial.leaves} leaves and {'some' if data else 'no'} data"
        sys.stdout.write(f"  {space} free: {word}\n")
        return word

    told = {leaves: boot(leaves) for leaves in LEVELS}
    assert told[0].startswith("failed")
    assert told[SPARE] == "wiped"
    # The smallest file wants a block of data before BTRFS puts it into the metadata after all.
    assert boot(SPARE, data=False) == "failed: the plan could not be written: No space left on device"


@pytest.mark.parametrize(("volumes", "exchanges"), [(1, True), (2, True), (1, False)])
def test_full_from_every_step_on(filesystem: Filesystem, volumes: int, exchanges: bool) -> None:
    """Where the switch is one step there is no step between; else somebody takes the space in between."""
    trial = Trial(filesystem, volumes, full=True, exchanges=exchanges)
    beginning = trial.leave(SPARE)
    waits = 0
    told: Counter[str] = Counter()
    for turn in range(1, trial.rig.turns(beginning) + 1):
        trial.rig.disk.load(beginning)
        status, run = trial.rig.boot(fill=turn)
        told[words_of(trial.judge(status, run))] += 1
        waits += "the next boot" in (run / "log").read_text()
        trial.recovers()
    table(f"full from each step on, {volumes} volumes, exchange {exchanges}", told)
    sys.stdout.write(f"  {waits} of them wait for the next boot with space\n")
    assert waits <= (0 if (volumes, exchanges) == (1, True) else 1)
    assert told["wiped"] >= 1, "the last steps need no space"
    assert told["failed: the plan could not be written: No space left on device"] >= 1
    assert told.total() >= 12


@pytest.mark.parametrize(("volumes", "exchanges"), [(1, True), (1, False), (2, True), (2, False)])
def test_every_step_fails(filesystem: Filesystem, volumes: int, exchanges: bool) -> None:
    """A system call answers at its turn as it would without space."""
    trial = Trial(filesystem, volumes, full=False, exchanges=exchanges)
    beginning = trial.rig.disk.template
    told: Counter[str] = Counter()
    for turn in range(1, trial.rig.turns(beginning) + 1):
        trial.rig.disk.load(beginning)
        result = trial.judge(*trial.rig.boot(fail=turn))
        what = trial.tracer.steps()[turn - 1].replace(f"{trial.rig.directory}/", "")
        sys.stdout.write(f"  {turn}: {what[:100]}: {words_of(result)}\n")
        told[words_of(result)] += 1
        trial.recovers()
    table(f"each of {told.total()} steps fails once, {volumes} volumes, exchange {exchanges}", told)
