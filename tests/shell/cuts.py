"""A wipe that is disturbed at one of its steps: cut, failing, or on a disk that fills up right then.

The script runs with wrappers first on PATH.  A wrapper does what its program does and disturbs the
script at its turn, before or after the step; programs that only look at the filesystem have no turn.
After a cut the image is copied right there: it has what had been written by then, and what was only
in memory is lost, as in a power cut.  `sync` cuts commit first, so that the step itself is on the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach, wait_until
from tests.shell.hook import HOOK, INITRD

PROGRAMS = ("mv", "btrfs", "mkdir", "mount", "umount", "volumes")
FILL = Path(__file__).parent / "fill.py"
CUT = -9  # exit status of a script that was cut
WRAPPER = """#!/bin/sh
# The script is the parent, or that of a subshell of it: its pid is in the file.
cut() {{
    [ "{sync}" = no ] || {btrfs} filesystem sync {top} >/dev/null 2>&1
    kill -KILL "$(cat {pid})"
    exit 1
}}
one() {{
    case "{program} $*" in
        "btrfs subvolume show"* | "btrfs subvolume list"* | "btrfs subvolume get-default"* | \
        "btrfs filesystem show"* | "btrfs device"* | "volumes look"* | "volumes ready"*)
            {real} "$@"
            return
            ;;
    esac
    turn=$(($(cat {count}) + 1))
    echo $turn >{count}
    [ $turn -ne {before} ] || cut
    if [ $turn -eq {fail} ]; then
        echo "{program} $*" >{failed}
        echo "{program}: No space left on device" >&2
        return 1
    fi
    [ $turn -ne {fill} ] || {python} -I {filler} {top}/filler
    {real} "$@"
    status=$?
    [ $turn -ne {after} ] || cut
    return $status
}}
"""
# Each step of the helper is a step of the script, though one process takes several.
STEPS = """
taken=0
while [ $# -gt 0 ]; do
    words=0
    for word; do
        [ "$word" != , ] || break
        words=$((words + 1))
    done
    case $1 in
        look) one "$@" ;;
        *) if [ $words -eq 2 ]; then one "$1" "$2"; else one "$1" "$2" "$3"; fi ;;
    esac
    status=$?
    [ $status -lt 16 ] || status=$((status + taken))
    [ $status -eq 0 ] || exit $status
    taken=$((taken + 1))
    shift $words
    [ $# -eq 0 ] || shift
done
"""


class Moment(TypedDict, total=False):
    """At which turns to disturb, and how."""

    before: int
    after: int
    sync: bool
    fail: int
    fill: int


class Cutter:
    """A script of its own beside wrappers; the hook with or without its helper."""

    def __init__(self, directory: Path, *, helper: Path | None, script: Path = HOOK) -> None:
        self.directory = directory
        self.helper = helper
        self.tools = directory / "tools"
        self.count = directory / "count"
        self.pid = directory / "pid"
        self.failed = directory / "failed"
        directory.mkdir()
        self.tools.mkdir()
        self.script = directory / script.name
        shutil.copy(script, self.script)

    def arm(
        self, top: Path, *, before: int = 0, after: int = 0, sync: bool = False, fail: int = 0, fill: int = 0
    ) -> None:
        """Disturb at these turns (0: never); `fill` uses up all space in `filler` at the top level first."""
        self.count.write_text("0\n")
        self.failed.unlink(missing_ok=True)
        for program in PROGRAMS:
            real = self.helper if program == "volumes" else shutil.which(program)
            if real is None:
                continue
            # The hook finds its helper beside itself, the other programs on PATH.
            wrapper = (self.directory if program == "volumes" else self.tools) / program
            wrapper.write_text(
                WRAPPER.format(
                    program=program,
                    count=self.count,
                    pid=self.pid,
                    before=before,
                    after=after,
                    fail=fail,
                    failed=self.failed,
                    fill=fill,
                    filler=FILL,
                    python=sys.executable,
                    sync="yes" if sync else "no",
                    real=real,
                    btrfs=shutil.which("btrfs"),
                    top=top,
                )
                + (STEPS if program == "volumes" else 'one "$@"\n')
            )
            wrapper.chmod(0o755)

    def run(self, shell: Sequence[str], arguments: Sequence[str]) -> int:
        """The script's exit status; CUT when it was cut."""
        script = 'echo $$ >"$1"; shift; exec "$@"'
        argv = ["sh", "-c", script, "sh", os.fspath(self.pid), *shell, os.fspath(self.script), *arguments]
        environment = {**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}"}
        return subprocess.run(argv, env=environment, capture_output=True, check=False).returncode

    def turns(self) -> int:
        return int(self.count.read_text())


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

    The script gets `arguments(run)`, and mounts the top level at `run`/impermanence/top.
    """

    def __init__(
        self, filesystem: Filesystem, cutter: Cutter, arguments: Callable[[Path], list[str]]
    ) -> None:
        self.filesystem = filesystem
        self.disk = Disk(filesystem)
        self.cutter = cutter
        self.arguments = arguments
        self.directory = filesystem.directory / "rig"
        self.directory.mkdir()
        self.crashed = self.directory / "crashed.img"
        self.runs = 0

    def boot(self, shell: Sequence[str] = ("dash",), **moment: Unpack[Moment]) -> tuple[int, Path]:
        self.runs += 1
        run = self.directory / f"run{self.runs}"
        self.cutter.arm(run / "impermanence/top", **moment)
        return self.cutter.run(shell, self.arguments(run)), run

    def turns(self, beginning: Path, shell: Sequence[str] = ("dash",)) -> int:
        """Steps of the boot that nobody disturbs."""
        self.disk.load(beginning)
        assert self.boot(shell)[0] == 0
        return self.cutter.turns()

    def cut(self, beginning: Path, shell: Sequence[str] = ("dash",), **moment: Unpack[Moment]) -> None:
        """The disk is then what the cut left."""
        self.disk.load(beginning)
        status, run = self.boot(shell, **moment)
        assert status == CUT, moment
        self.disk.copy(self.filesystem.image, self.crashed)
        unmount_after_death(run)
        self.disk.load(self.crashed)


def unmount_after_death(run: Path) -> None:
    top = run / "impermanence/top"
    if os.path.ismount(top):
        sh("umount", top)


def build_helper(directory: Path) -> Path:
    program = directory / "volumes"
    sh("gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-o", program, INITRD / "volumes.c")
    return program
