"""A wipe that is disturbed at one of its steps: cut, failing, or on a disk that fills up right then.

A step of the program is a system call that changes something (disturb.c).  The script that people copy runs
with wrappers first on PATH: a wrapper does what its program does and disturbs the script at its turn.
After a cut the image is copied right there: it has what had been committed by then, and what was only
in memory is lost, as in a power cut.  `sync` cuts commit first, so that the step itself is on the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach, wait_until
from tests.shell.hook import TRACED, Initrd, built

PROGRAMS = ("mv", "btrfs", "mkdir", "mount", "umount")
FILL = Path(__file__).parent / "fill.py"
CLASSIC = Path(__file__).parent / "classic-wipe"
CUT = -9  # exit status of what was cut
WRAPPER = """#!/bin/sh
# The script is the parent, or that of a subshell of it: its pid is in the file.
cut() {{
    [ "{sync}" = no ] || {btrfs} filesystem sync {top} >/dev/null 2>&1
    kill -KILL "$(cat {pid})"
    exit 1
}}
case "{program} $*" in
    "btrfs subvolume show"* | "btrfs subvolume list"*) exec {real} "$@" ;;
esac
turn=$(($(cat {count}) + 1))
echo $turn >{count}
[ $turn -ne {before} ] || cut
if [ $turn -eq {fail} ]; then
    echo "{program}: No space left on device" >&2
    exit 1
fi
{real} "$@"
status=$?
[ $turn -ne {after} ] || cut
exit $status
"""


class Moment(TypedDict, total=False):
    """At which turns to disturb (0: never), and how."""

    before: int
    after: int
    sync: bool  # what the step has done is committed before the cut
    fail: int
    fill: int  # all space of the filesystem is used up first
    signal: int  # a fault of the program itself


class Disturber(Protocol):
    """A program that is disturbed at the turns it was armed for."""

    def arm(self, top: Path, **moment: Unpack[Moment]) -> None: ...

    def run(self, arguments: Sequence[str]) -> int: ...

    def turns(self) -> int: ...


class Wrappers:
    """The script that people copy, and the programs that it calls."""

    def __init__(self, directory: Path) -> None:
        self.tools = directory / "tools"
        self.count = directory / "count"
        self.pid = directory / "pid"
        directory.mkdir()
        self.tools.mkdir()

    def arm(self, top: Path, **moment: Unpack[Moment]) -> None:
        self.count.write_text("0\n")
        for program in PROGRAMS:
            wrapper = self.tools / program
            wrapper.write_text(
                WRAPPER.format(
                    program=program,
                    count=self.count,
                    pid=self.pid,
                    before=moment.get("before", 0),
                    after=moment.get("after", 0),
                    fail=moment.get("fail", 0),
                    sync="yes" if moment.get("sync") else "no",
                    real=shutil.which(program),
                    btrfs=shutil.which("btrfs"),
                    top=top,
                )
            )
            wrapper.chmod(0o755)

    def run(self, arguments: Sequence[str]) -> int:
        script = 'echo $$ >"$1"; shift; exec "$@"'
        argv = ["sh", "-c", script, "sh", os.fspath(self.pid), "dash", os.fspath(CLASSIC), *arguments]
        environment = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
        return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode

    def turns(self) -> int:
        return int(self.count.read_text())


def disturbed(
    directory: Path, top: Path | None = None, log: Path | None = None, **moment: int | str
) -> tuple[str | Path, ...]:
    """What stands before the program's path."""
    turns = directory / "turns"
    words = [f"{key}={int(value) if isinstance(value, bool) else value}" for key, value in moment.items()]
    return (built("disturb"), turns, top or "/none", log or "/none", *words, "--")


class Tracer:
    """The program, traced; `exchanges`: the kernel can exchange two names."""

    def __init__(self, directory: Path, *, exchanges: bool = True) -> None:
        self.directory = directory
        self.exchanges = exchanges
        self.moment: dict[str, int] = {}
        self.top = directory
        directory.mkdir()

    def arm(self, top: Path, **moment: Unpack[Moment]) -> None:
        self.top = top
        self.moment = {key: value for key, value in moment.items() if isinstance(value, int)}
        self.moment["renames"] = not self.exchanges

    def run(self, arguments: Sequence[str]) -> int:
        log = Path(arguments[arguments.index("--log") + 1])
        wrap = disturbed(self.directory, self.top, log, **self.moment)
        filler = f"{sys.executable} -I {FILL} {self.top}/filler"
        environment = {**os.environ, **TRACED, "FILLER": filler}
        argv = [*wrap, built(Initrd.build), *arguments]
        result = subprocess.run(argv, env=environment, capture_output=True, check=False)
        assert result.returncode != 125, result.stderr
        return result.returncode

    def steps(self) -> list[str]:
        """What the steps of the last run were."""
        lines = (self.directory / "turns").read_text().splitlines()
        return [line.removeprefix("step ") for line in lines]

    def turns(self) -> int:
        return len(self.steps())


def forgotten(device: str) -> bool:
    """The kernel knows no filesystem of the device any more; False while one is mounted."""
    argv = ["btrfs", "device", "scan", "--forget", device]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


class Disk:
    """The image as it is between boots; it is attached to the same loop device for each."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.template = filesystem.directory / "template.img"
        self.off(self.template)

    def off(self, keep: Path | None = None) -> None:
        """Everything is committed and unmounted; `keep` gets the image as it then is."""
        if self.filesystem.top in self.filesystem.mounts:
            self.filesystem.sync()
        for where in reversed(list(self.filesystem.mounts)):
            self.filesystem.umount(where)
        if keep is not None:
            self.copy(self.filesystem.image, keep)

    def copy(self, source: Path, target: Path) -> None:
        sh("cp", "--sparse=always", source, target)

    def load(self, image: Path) -> None:
        """The loop device shows another past of the same filesystem."""
        # A filesystem that is mounted still would go on with the past that it knows.
        wait_until(lambda: forgotten(self.filesystem.device))
        detach(self.filesystem.device, self.filesystem.image)
        # A scan by somebody else, who saw it meanwhile: a past on another device would be older than that.
        forgotten(self.filesystem.device)
        self.copy(image, self.filesystem.image)
        self.filesystem.device = attach(self.filesystem.image)

    def on(self) -> None:
        self.filesystem.mount(self.filesystem.top, "subvolid=5")


class Rig:
    """A filesystem whose next boot is disturbed, again and again from the same beginning.

    The program gets `arguments(run)`, and mounts the top level at `run`/impermanence/top.
    """

    def __init__(
        self, filesystem: Filesystem, disturber: Disturber, arguments: Callable[[Path], list[str]]
    ) -> None:
        self.filesystem = filesystem
        self.disk = Disk(filesystem)
        self.disturber = disturber
        self.arguments = arguments
        self.directory = filesystem.directory / "rig"
        self.directory.mkdir()
        self.crashed = self.directory / "crashed.img"
        self.runs = 0

    def boot(self, **moment: Unpack[Moment]) -> tuple[int, Path]:
        self.runs += 1
        run = self.directory / f"run{self.runs}"
        self.disturber.arm(run / "impermanence/top", **moment)
        return self.disturber.run(self.arguments(run)), run

    def turns(self, beginning: Path) -> int:
        """Steps of the boot that nobody disturbs."""
        self.disk.load(beginning)
        assert self.boot()[0] == 0
        return self.disturber.turns()

    def cut(self, beginning: Path, **moment: Unpack[Moment]) -> None:
        """The disk is then what the cut left."""
        self.disk.load(beginning)
        status, run = self.boot(**moment)
        assert status == CUT, moment
        self.disk.copy(self.filesystem.image, self.crashed)
        unmount_after_death(run)
        self.disk.load(self.crashed)


def unmount_after_death(run: Path) -> None:
    top = run / "impermanence/top"
    if os.path.ismount(top):
        sh("umount", top)
