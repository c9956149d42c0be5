"""A machine before and after a boot: what is said of every path, and what is there then."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impermanenced.boots import examine, setup
from impermanenced.boots.records import NextRequest, format_next
from impermanenced.cli.main import main
from impermanenced.config.load import load
from impermanenced.kernel import mounts
from impermanenced.model import Decision, Report
from impermanenced.paths import within
from impermanenced.report.report import Manager
from impermanenced.volumes.machine import Machine as Volumes
from tests.conftest import Filesystem, sh
from tests.schema import check
from tests.shell.hook import Boot, Initrd

Node = tuple[str, bytes]  # what kind of thing, and its content or target
Tree = dict[str, Node]


@dataclass
class Mount:
    """Something that the system mounts at each boot, if it can."""

    path: str
    how: Callable[[Path], None]


@dataclass
class Machine:
    """An ephemeral root mounted at `root`, a persist volume mounted in it, and the initrd that boots it."""

    filesystem: Filesystem
    initrd: Initrd
    config: Path
    root: Path
    cmdline: str = ""
    mounts: list[Mount] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)  # where a volume's own files are mounted too
    passing: list[str] = field(default_factory=list)  # mounts whose content nobody expects to persist
    fuses: list[Callable[[], None]] = field(default_factory=list)  # for the end, when nothing is mounted

    @property
    def top(self) -> Path:
        return self.filesystem.top

    @property
    def state(self) -> Path:
        return self.top / ".impermanence"

    # Prepared

    def configure(self, text: str = "", *, volume: str = "", more: str = "") -> None:
        head = f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\n{volume}\n{more}\n'
        self.config.write_text(head + text)

    def declare(self, *paths: str, text: str = "") -> None:
        """Declare directories, and files, which are those that are there as files."""
        files = [path for path in paths if (self.root / path[1:]).is_file()]
        directories = [path for path in paths if path not in files]
        self.configure(f'{text}\n[persist."/persist"]\ndirectories = {directories}\nfiles = {files}\n')

    def set_up(self) -> None:
        config = load(os.fsencode(self.config))
        with Volumes(config.volumes) as machine:
            setup.run(config, machine, dry_run=False)

    def write(self, path: str, content: str = "x", *, on: str = "root", age: int = 0) -> Path:
        """Write a file of the volume, or of another subvolume, beneath whatever is mounted there."""
        file = self.top / on / path[1:]
        assert os.path.realpath(file) == os.fspath(file), "a link would lead out of this filesystem"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        then = file.stat().st_mtime_ns - age * 10**9
        os.utime(file, ns=(then, then))
        return file

    def link(self, path: str, target: str) -> None:
        (self.top / "root" / path[1:]).symlink_to(target)

    def bind(self, path: str, source: str | None = None) -> None:
        """Have something of a subvolume mounted at a path, by default what the persist volume has for it."""
        place = self.top / (source or f"persist{path}")

        def how(where: Path) -> None:
            assert place.exists()
            if place.is_dir():
                where.mkdir(parents=True, exist_ok=True)
            elif not where.exists():
                where.parent.mkdir(parents=True, exist_ok=True)
                where.touch()
            sh("mount", "--bind", place, where)

        self.mount(path, how)
        if source is not None and source.startswith("home/"):
            self.aliases[path] = f"/{source}"

    def mount_home(self, where: Path) -> None:
        where.mkdir(exist_ok=True)
        sh("mount", "-t", "btrfs", "-o", "subvol=home", self.filesystem.device, where)

    def mount(self, path: str, how: Callable[[Path], None], *, passing: bool = False) -> None:
        how(self.root / path[1:])
        self.mounts.append(Mount(path, how))
        if passing:
            self.passing.append(path)

    def request(self, action: str, boot: int | None = None) -> None:
        (self.state / "next").write_bytes(format_next(NextRequest(action, f"{action}-{boot}", boot)))

    # Asked

    def report(self) -> Report:
        with Manager(os.fsencode(self.config)) as manager:
            return manager.status()

    def say(self, *argv: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
            code = main(["--config", os.fspath(self.config), *argv])
        return code, said.getvalue()

    def document(self, *argv: str) -> tuple[int, Any]:
        code, said = self.say(*argv, "--json")
        found = json.loads(said)
        check(argv[0], found)
        return code, found

    def foretell(self, machine: Volumes) -> Decision:
        """The decision where the kernel command line of the next boot is this machine's."""
        return examine.decide(self.initrd.arguments(self.filesystem.directory / "asked", self.cmdline))

    # Booted

    def boot(self) -> Boot:
        """Shut down, run the hook, and mount what the system mounts."""
        booted = self.shut_down()
        self.come_up()
        return booted

    def begin_anew(self) -> None:
        """Go back to the blank, with an empty persist volume mounted, and no configuration of note."""
        self.umount()
        sh("btrfs", "subvolume", "delete", self.top / "root", self.top / "persist")
        self.filesystem.snapshot("root-blank", "root")
        self.filesystem.subvolume("persist")
        self.filesystem.mount(self.root, "subvol=root")
        self.mounts.clear()
        self.bind("/persist", "persist")
        self.configure('[persist."/persist"]\n')

    def shut_down(self) -> Boot:
        """Shut down, and run the hook of the next boot."""
        self.umount()
        return self.initrd.boot(self.cmdline)

    def umount(self) -> None:
        """Take down what is mounted, the last first: a mount may lie over others."""
        for mount in reversed(mounts.read()):
            if within(mount.path, os.fsencode(self.root)):
                sh("umount", mount.path)
        self.filesystem.mounts.remove(self.root)

    def come_up(self) -> None:
        """Mount what the system mounts at each boot."""
        self.filesystem.mount(self.root, "subvol=root")
        for mount in self.mounts:
            with contextlib.suppress(AssertionError):  # what is not there any more cannot be mounted
                mount.how(self.root / mount.path[1:])

    def below(self, subvolume: str) -> Tree:
        """A subvolume as it lies on the disk, without those nested in it."""
        place = self.top / subvolume
        return tree(place, without=nested(place)) if place.exists() else {}

    def seen(self) -> Tree:
        """The system as it is seen through all mounts, but for those that nobody expects to persist."""
        return tree(self.root, without=[self.root / path[1:] for path in self.passing])


def nested(place: Path) -> list[Path]:
    device = place.stat().st_dev
    found = []
    for directory, names, _ in os.walk(place):
        for name in list(names):
            path = Path(directory, name)
            if not path.is_symlink() and path.stat().st_dev != device:
                found.append(path)
                names.remove(name)
    return found


def tree(root: Path, *, without: list[Path]) -> Tree:
    found: Tree = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(directory, name)
            if path in without:
                if name in names:
                    names.remove(name)
                continue
            found["/" + os.fspath(path.relative_to(root))] = node(path)
    return found


def node(path: Path) -> Node:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", os.fsencode(os.readlink(path))
    if stat.S_ISREG(mode):
        return "file", path.read_bytes()
    return "directory" if stat.S_ISDIR(mode) else "other", b""
