"""A power cut after every step: the next boot finishes or undoes it, and loses nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from impermanenced.boots import records
from impermanenced.boots.records import NextRequest
from tests.conftest import Filesystem, sh
from tests.shell.cuts import CUT, Moment, Rig, Tracer, unmount_after_death
from tests.shell.hook import HOME, ROOT, Initrd, System, promote, uuid_of


def moments(turn: int, action: str | None, volumes: int) -> list[Moment]:
    """What had reached the disk: the step itself, or only what was committed before it."""
    after: list[Moment] = [{"after": turn}, {"after": turn, "sync": True}]
    whole_story = action is None and volumes == 1
    return [{"before": turn}, *after] if whole_story else after


CASES = [
    pytest.param(1, True, None, id="exchange"),
    pytest.param(1, False, None, id="renames"),
    pytest.param(2, True, None, id="two-volumes-exchange"),
    pytest.param(2, False, None, id="two-volumes-renames"),
    pytest.param(1, True, "boot", id="request-boot"),
    pytest.param(1, True, "keep", id="request-keep"),
]


class Trial:
    """One system whose next boot is cut, again and again from the same beginning."""

    def __init__(self, filesystem: Filesystem, volumes: int, action: str | None, *, exchanges: bool) -> None:
        self.system = System(filesystem, *(ROOT, HOME)[:volumes])
        self.action = action
        self.system.initrd.boot()  # boot 1: there is a record, and an old root 0 to ask for
        names = ["root", "home"][:volumes]
        for name in names:
            self.system.dirty("precious", name)
        if action is not None:
            boot = 0 if action == "boot" else None
            self.system.request(NextRequest(action, "request", boot=boot))
        self.lives = {name: uuid_of(self.system.top / name) for name in names}
        self.initrd = Initrd(filesystem.directory, filesystem.device)
        self.tracer = Tracer(filesystem.directory / "tracer", exchanges=exchanges)
        self.rig = Rig(filesystem, self.tracer, self.arguments)
        self.disk = self.rig.disk

    def arguments(self, run: Path) -> list[str]:
        self.initrd.device = self.system.filesystem.device
        return self.initrd.arguments(run, "")

    def look(self) -> str:
        """What each volume's name holds: old, new, or missing."""
        self.disk.on()
        words = []
        for name, life in self.lives.items():
            path = self.system.top / name
            words.append("missing" if not path.exists() else "old" if uuid_of(path) == life else "new")
        self.disk.off()
        return "/".join(words)

    def judge(self, where: str) -> None:
        """Boot again after the cut and look at everything."""
        system = self.system
        status, run = self.rig.boot()
        where = f"{where}\n{(run / 'log').read_text()}"
        assert status == 0, where
        assert not os.path.ismount(run / "impermanence/top"), where
        result = records.parse_record((run / "impermanence/rollback.env").read_bytes())
        self.disk.on()
        try:
            check_request(system, result, self.action, where)
            assert list((system.state / "staging").iterdir()) == [], where
            wiped = not (system.top / "root/precious").exists()
            for name, life in self.lives.items():
                assert (system.top / name / "etc/hostname").exists(), where
                assert (system.top / name / "precious").exists() != wiped, f"half a switch: {where}"
                assert [path for path in places(system, name) if uuid_of(path) == life], f"lost: {where}"
            assert len(list(system.top.glob("**/precious"))) == len(self.lives), where
        finally:
            self.disk.off()

    def cut_everywhere(self, beginning: Path) -> None:
        rig = self.rig
        turns = rig.turns(beginning)
        seen = []
        for turn in range(1, turns + 1):
            for moment in moments(turn, self.action, len(self.lives)):
                rig.cut(beginning, **moment)
                state = self.look()
                assert not self.tracer.exchanges or "missing" not in state, "a volume has no name on the disk"
                self.judge(f"{moment} {state}")
                seen.append(state)
        counts = ", ".join(f"{seen.count(state)} {state}" for state in sorted(set(seen)))
        sys.stdout.write(f"{len(seen)} cuts at {turns} steps: {counts}\n")


@pytest.mark.parametrize(("volumes", "exchanges", "action"), CASES)
def test_every_cut(filesystem: Filesystem, volumes: int, exchanges: bool, action: str | None) -> None:
    trial = Trial(filesystem, volumes, action, exchanges=exchanges)
    trial.cut_everywhere(trial.disk.template)


def test_every_cut_of_the_recovery(filesystem: Filesystem) -> None:
    """The power goes between the two renames, and again while the next boot puts that right."""
    trial = Trial(filesystem, 2, None, exchanges=False)
    for turn in range(1, trial.rig.turns(trial.disk.template) + 1):
        trial.rig.cut(trial.disk.template, after=turn, sync=True)
        if trial.look() == "new/missing":
            break
    beginning = filesystem.directory / "between.img"
    trial.disk.copy(trial.rig.crashed, beginning)
    trial.cut_everywhere(beginning)


def check_request(system: System, result: records.BootRecord, action: str | None, where: str) -> None:
    """Exactly one recorded boot has obeyed the request, and a boot without one wipes."""
    obeyed = [number for number in system.numbers() if system.record(number).request == "request"]
    if action is None:
        assert result.action == "wiped", where
        assert not (system.top / "root/precious").exists(), where
        return
    assert len(obeyed) == 1, where
    assert not (system.state / "next").exists(), where
    if obeyed == [result.number] and action == "boot":
        assert result.action == "booted", where
        assert (system.top / "root/crud").exists(), where
    elif obeyed == [result.number]:
        assert result.action == "kept", where
        assert (system.top / "root/precious").exists(), where


def places(system: System, name: str) -> list[Path]:
    archive = system.top / "old_roots"
    return [system.top / name, *(path for path in archive.iterdir() if path.is_dir())]


def test_used_root_after_a_cut_is_archived_too(filesystem: Filesystem, tmp_path: Path) -> None:
    """Cut after the exchange, then a boot with impermanence=off: its life is a life like any other."""
    system = System(filesystem)
    system.initrd.boot()
    system.dirty("precious")
    life = uuid_of(system.top / "root")
    tracer = Tracer(tmp_path / "tracer")
    for turn in range(1, 40):
        run = tmp_path / f"turn{turn}"
        tracer.arm(run / "impermanence/top", after=turn)
        assert tracer.run(system.initrd.arguments(run, "")) == CUT
        unmount_after_death(run)
        if uuid_of(system.top / "root") != life:
            break
    used = uuid_of(system.top / "root")
    filesystem.mount(tmp_path / "sysroot", "subvol=root")
    (tmp_path / "sysroot/lived").touch()
    filesystem.umount(tmp_path / "sysroot")
    boot = system.initrd.boot()
    assert (boot.result.action, boot.result.reason) == ("wiped", ""), boot.said
    (told,) = boot.result.volumes
    assert told.old_uuid == used
    assert told.old is not None
    assert (system.top / os.fsdecode(told.old) / "lived").exists()
    before = system.record((boot.result.number or 0) - 1)
    assert before.volumes[0].old_uuid == life
    assert (system.top / os.fsdecode(before.volumes[0].old or b"") / "precious").exists()


def test_hook_that_dies_lets_the_boot_go_on(filesystem: Filesystem, tmp_path: Path) -> None:
    """Not the machine but the program: a fault of its own must not look like `stop`."""
    system = System(filesystem)
    system.write(on_failure="stop")
    system.initrd.boot()
    tracer = Tracer(tmp_path / "tracer")
    run = tmp_path / "whole"
    tracer.arm(run / "impermanence/top")
    assert tracer.run(system.initrd.arguments(run, "")) == 0
    turns = tracer.turns()
    for turn in range(1, turns + 1):
        system.dirty("precious")
        life = uuid_of(system.top / "root")
        run = tmp_path / f"turn{turn}"
        tracer.arm(run / "impermanence/top", signal=turn)
        assert tracer.run(system.initrd.arguments(run, "")) == 0
        assert "ended in the middle" in (run / "log").read_text()
        assert not os.path.ismount(run / "impermanence/top")
        staged = [path for path in (system.state / "staging").iterdir() if path.is_dir()]
        assert life in {uuid_of(path) for path in (*places(system, "root"), *staged)}
    assert system.initrd.boot().result.action == "wiped"


def cut_until_gone(tracer: Tracer, system: System, directory: Path, path: str) -> None:
    """Boots that are cut, each one step later, until the path is not below the top level any more."""
    for turn in range(1, 40):
        run = directory / f"turn{turn}"
        tracer.arm(run / "impermanence/top", after=turn)
        assert tracer.run(system.initrd.arguments(run, "")) == CUT
        unmount_after_death(run)
        if not (system.top / path).exists():
            return
    pytest.fail(f"{path} was there after every step")


def test_plan_that_no_longer_fits(filesystem: Filesystem, tmp_path: Path) -> None:
    """Somebody put another root in place by hand after the cut: it stays until the next wipe."""
    system = System(filesystem)
    tracer = Tracer(tmp_path / "tracer")
    cut_until_gone(tracer, system, tmp_path, "root/crud")
    shutil.move(system.top / "root", system.top / "aside")
    filesystem.subvolume("root")
    (system.top / "root/by hand").touch()
    boot = system.initrd.boot()
    assert boot.result.action == "wiped"
    assert list(system.top.glob("old_roots/*/by hand"))
    assert list(system.top.glob("old_roots/*/crud"))


def test_new_root_is_gone(filesystem: Filesystem, tmp_path: Path) -> None:
    """Cut between two renames, and the new root deleted by hand: the old root gets its name back."""
    system = System(filesystem)
    system.initrd.boot()
    system.dirty("precious")
    tracer = Tracer(tmp_path / "tracer", exchanges=False)
    cut_until_gone(tracer, system, tmp_path, "root")
    sh("btrfs", "subvolume", "delete", system.state / "staging/next.root")
    boot = system.initrd.boot("impermanence=keep")
    assert boot.result.action == "kept", boot.said
    assert (system.top / "root/precious").exists()


def test_every_cut_of_a_blank_that_gives_way(filesystem: Filesystem) -> None:
    """The next boot is of the release before, whatever reached the disk, and no release is lost."""
    system = System(filesystem)
    system.initrd.boot()
    (system.state / "boots/1.good").touch()
    blanks = promote(system)
    for _ in range(3):
        system.initrd.boot()
    system.dirty("precious")
    life = uuid_of(system.top / "root")
    initrd = Initrd(filesystem.directory, filesystem.device)
    tracer = Tracer(filesystem.directory / "tracer")

    def arguments(run: Path) -> list[str]:
        initrd.device = filesystem.device
        return initrd.arguments(run, "")

    rig = Rig(filesystem, tracer, arguments)
    for turn in range(1, rig.turns(rig.disk.template) + 1):
        for moment in moments(turn, None, 1)[0 if "EVERY_CUT" in os.environ else -1 :]:
            rig.cut(rig.disk.template, **moment)
            status, run = rig.boot()
            said = f"{moment}\n{(run / 'log').read_text()}"
            assert status == 0, said
            rig.disk.on()
            top = system.top
            assert not (top / "root/etc/release").exists(), said
            assert [uuid_of(top / "root-blank@1"), uuid_of(top / "root-blank")] == blanks, said
            assert [path for path in places(system, "root") if uuid_of(path) == life], said
            rig.disk.off()
