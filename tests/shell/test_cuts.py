"""A power cut after every step: the next boot finishes or undoes it, and loses nothing.

The hook runs with wrappers first on PATH.  A wrapper does what its program does and kills the hook
at its turn, before or after the step; programs that only look at the filesystem have no turn.  The
image is copied right there: it has what had been written by then, and what was only in memory is
lost, as in a power cut.  `sync` cuts commit first, so that the step itself is on the disk.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced import records
from impermanenced.records import NextRequest
from tests.conftest import Filesystem, sh
from tests.shell.hook import HOME, HOOK, INITRD, ROOT, SHELLS, Initrd, System, uuid_of

PROGRAMS = ("mv", "btrfs", "mkdir", "mount", "umount", "exchange")
WRAPPER = """#!/bin/sh
# The hook is the parent, or that of a subshell of it: its pid is in the file.
case "{program} $*" in
    "btrfs subvolume show"* | "btrfs subvolume get-default"* | "btrfs filesystem show"* | "btrfs device"*)
        exec {real} "$@" ;;
esac
turn=$(($(cat {count}) + 1))
echo $turn >{count}
cut() {{
    [ "{sync}" = no ] || {btrfs} filesystem sync {top} >/dev/null 2>&1
    kill -KILL "$(cat {pid})"
    exit 1
}}
[ $turn -ne {before} ] || cut
{real} "$@"
status=$?
[ $turn -ne {after} ] || cut
exit $status
"""


class Cutter:
    """A hook of its own beside wrappers, with or without the helper that exchanges names."""

    def __init__(self, directory: Path, *, helper: Path | None) -> None:
        self.directory = directory
        self.helper = helper
        self.tools = directory / "tools"
        self.count = directory / "count"
        self.pid = directory / "pid"
        directory.mkdir()
        self.tools.mkdir()
        self.hook = directory / "impermanence-rollback"
        shutil.copy(HOOK, self.hook)

    def arm(self, top: Path, *, before: int = 0, after: int = 0, sync: bool = False) -> None:
        self.count.write_text("0\n")
        for program in PROGRAMS:
            real = self.helper if program == "exchange" else shutil.which(program)
            if real is None:
                continue
            # The hook finds its helper beside itself, the other programs on PATH.
            wrapper = (self.directory if program == "exchange" else self.tools) / program
            wrapper.write_text(
                WRAPPER.format(
                    program=program,
                    count=self.count,
                    pid=self.pid,
                    before=before,
                    after=after,
                    sync="yes" if sync else "no",
                    real=real,
                    btrfs=shutil.which("btrfs"),
                    top=top,
                )
            )
            wrapper.chmod(0o755)

    def run(self, initrd: Initrd, run: Path, shell: str) -> int:
        """The hook's exit status; -9 when it was cut."""
        script = 'echo $$ >"$1"; shift; exec "$@"'
        argv = ["sh", "-c", script, "sh", self.pid, *SHELLS[shell], self.hook, *initrd.arguments(run, "")]
        environment = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
        return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode

    def turns(self) -> int:
        return int(self.count.read_text())


def forgotten(device: str) -> bool:
    argv = ["btrfs", "device", "scan", "--forget", device]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def wait_until(done: Callable[[], bool], seconds: float = 30) -> None:
    """A mount namespace that was made meanwhile may hold the filesystem for a moment."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.02)


class Disk:
    """The image as it is between boots; it is attached to the same loop device for each."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.template = filesystem.directory / "template.img"
        self.off(self.template)

    def off(self, keep: Path | None = None) -> None:
        """Everything is unmounted; `keep` gets the image as it then is."""
        for where in reversed(list(self.filesystem.mounts)):
            self.filesystem.umount(where)
        if keep is not None:
            self.copy(self.filesystem.image, keep)

    def copy(self, source: Path, target: Path) -> None:
        sh("cp", "--sparse=always", source, target)

    def load(self, image: Path) -> None:
        """The loop device shows another past of the same filesystem."""
        wait_until(lambda: forgotten(self.filesystem.device))
        sh("losetup", "--detach", self.filesystem.device)
        self.copy(image, self.filesystem.image)
        self.filesystem.device = sh("losetup", "--find", "--show", self.filesystem.image).strip()

    def on(self) -> None:
        self.filesystem.mount(self.filesystem.top, "subvolid=5")


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("helper") / "exchange"
    sh("gcc", "-Wall", "-Werror", "-O2", "-o", program, INITRD / "exchange.c")
    return program


def moments(turn: int, volumes: int, action: str | None) -> list[dict[str, int]]:
    """What had reached the disk: the step itself, or only what was committed before it.

    Before a step, what the shell itself has written since the step before is there too.
    """
    committed = {"after": turn, "sync": True}
    whole_story = action is None and volumes == 1
    return [{"before": turn}, {"after": turn}, committed] if whole_story else [committed]


CASES = [
    pytest.param(1, True, "dash", None, id="exchange"),
    pytest.param(1, False, "dash", None, id="renames"),
    pytest.param(2, True, "dash", None, id="two-volumes-exchange"),
    pytest.param(2, False, "bash", None, id="two-volumes-renames"),
    pytest.param(1, True, "dash", "boot", id="request-boot"),
    pytest.param(1, True, "dash", "keep", id="request-keep"),
]


class Trial:
    """One system whose next boot is cut, again and again from the same beginning."""

    def __init__(self, filesystem: Filesystem, helper: Path | None, volumes: int, action: str | None) -> None:
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
        self.disk = Disk(filesystem)
        self.cutter = Cutter(filesystem.directory / "cutter", helper=helper)
        self.initrd = Initrd(filesystem.directory / "cut", filesystem.device)
        self.initrd.directory.mkdir()
        self.crashed = self.initrd.directory / "crashed.img"
        self.runs = itertools.count(1)

    def boot(self, shell: str, **moment: int) -> tuple[int, Path]:
        self.initrd.device = self.system.filesystem.device
        run = self.initrd.directory / f"run{next(self.runs)}"
        self.cutter.arm(run / "impermanence/top", **moment)
        return self.cutter.run(self.initrd, run, shell), run

    def turns(self, beginning: Path, shell: str) -> int:
        """Steps of the boot that nobody cuts."""
        self.disk.load(beginning)
        assert self.boot(shell)[0] == 0
        return self.cutter.turns()

    def cut(self, beginning: Path, shell: str, **moment: int) -> None:
        """The disk is then what the cut left."""
        self.disk.load(beginning)
        status, run = self.boot(shell, **moment)
        assert status == -9, moment
        self.disk.copy(self.system.filesystem.image, self.crashed)
        unmount_after_death(run)
        self.disk.load(self.crashed)

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
        status, run = self.boot("dash")
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

    def cut_everywhere(self, beginning: Path, shell: str) -> None:
        turns = self.turns(beginning, shell)
        seen = []
        for turn in range(1, turns + 1):
            for moment in moments(turn, len(self.lives), self.action):
                self.cut(beginning, shell, **moment)
                state = self.look()
                assert self.cutter.helper is None or "missing" not in state, (
                    "a volume has no name on the disk"
                )
                self.judge(f"{moment} {state}")
                seen.append(state)
        counts = ", ".join(f"{seen.count(state)} {state}" for state in sorted(set(seen)))
        sys.stdout.write(f"{len(seen)} cuts at {turns} steps: {counts}\n")


@pytest.mark.parametrize(("volumes", "exchanges", "shell", "action"), CASES)
def test_every_cut(
    filesystem: Filesystem, helper: Path, volumes: int, exchanges: bool, shell: str, action: str | None
) -> None:
    trial = Trial(filesystem, helper if exchanges else None, volumes, action)
    trial.cut_everywhere(trial.disk.template, shell)


def test_every_cut_of_the_recovery(filesystem: Filesystem) -> None:
    """The power goes between the two renames, and again while the next boot puts that right."""
    trial = Trial(filesystem, None, 2, None)
    for turn in range(1, trial.turns(trial.disk.template, "dash") + 1):
        trial.cut(trial.disk.template, "dash", after=turn, sync=True)
        if trial.look() == "new/missing":
            break
    beginning = filesystem.directory / "between.img"
    trial.disk.copy(trial.crashed, beginning)
    trial.cut_everywhere(beginning, "dash")


def unmount_after_death(run: Path) -> None:
    top = run / "impermanence/top"
    if os.path.ismount(top):
        sh("umount", top)


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


def test_used_root_after_a_cut_is_archived_too(filesystem: Filesystem, tmp_path: Path, helper: Path) -> None:
    """Cut after the exchange, then a boot with impermanence=off: its life is a life like any other."""
    system = System(filesystem)
    system.initrd.boot()
    system.dirty("precious")
    life = uuid_of(system.top / "root")
    cutter = Cutter(tmp_path / "cutter", helper=helper)
    for turn in range(1, 40):
        run = tmp_path / f"turn{turn}"
        cutter.arm(run / "impermanence/top", after=turn)
        assert cutter.run(system.initrd, run, "dash") == -9
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
    """Not the machine but the hook: an error in the shell itself must not look like `stop`."""
    system = System(filesystem)
    system.write(on_failure="stop")
    broken = tmp_path / "impermanence-rollback"
    broken.write_text(HOOK.read_text().replace("    choose_blanks\n", '    : "$no_such_variable"\n'))
    run = tmp_path / "run"
    result = subprocess.run(
        ["dash", broken, *system.initrd.arguments(run, "")], check=False, capture_output=True
    )
    assert result.returncode == 0
    assert "ended in the middle" in (run / "log").read_text()
    assert not os.path.ismount(run / "impermanence/top")
    assert (system.top / "root/crud").exists()


def cut_until_gone(cutter: Cutter, system: System, directory: Path, path: str) -> None:
    """Boots that are cut, each one step later, until the path is not below the top level any more."""
    for turn in range(1, 40):
        run = directory / f"turn{turn}"
        cutter.arm(run / "impermanence/top", after=turn)
        assert cutter.run(system.initrd, run, "dash") == -9
        unmount_after_death(run)
        if not (system.top / path).exists():
            return
    pytest.fail(f"{path} was there after every step")


def test_plan_that_no_longer_fits(filesystem: Filesystem, tmp_path: Path, helper: Path) -> None:
    """Somebody put another root in place by hand after the cut: it stays until the next wipe."""
    system = System(filesystem)
    cutter = Cutter(tmp_path / "cutter", helper=helper)
    cut_until_gone(cutter, system, tmp_path, "root/crud")
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
    cutter = Cutter(tmp_path / "cutter", helper=None)
    cut_until_gone(cutter, system, tmp_path, "root")
    sh("btrfs", "subvolume", "delete", system.state / "staging/next.root")
    boot = system.initrd.boot("impermanence=keep")
    assert boot.result.action == "kept", boot.said
    assert (system.top / "root/precious").exists()
