"""A machine that is set up, has booted, and has old roots; what is asked of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import btrfsutil

from impermanenced import state
from impermanenced.boots import records, setup
from impermanenced.boots.old_roots import Archive, OldRoot
from impermanenced.boots.prune import prune
from impermanenced.boots.prune.prune import DAY, Now, Plan, Pruned
from impermanenced.boots.records import BootRecord, BootVolume
from impermanenced.report.report import Manager
from tests.conftest import Filesystem, sh

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
        self.write(record._replace(**fields))
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
        script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
        return [sys.executable, "-c", script, "--config", os.fspath(self.config), *argv]


QUIET: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
}


def names(roots: tuple[OldRoot, ...]) -> list[int | None]:
    return [root.number for root in roots]


def sh_subvolume(path: Path) -> str:
    sh("btrfs", "subvolume", "create", path)
    return os.fspath(path)


def exclusive(path: Path) -> int:
    """What btrfs says that nobody else has."""
    lines = sh("btrfs", "filesystem", "du", "--raw", "-s", path).splitlines()
    return int(lines[-1].split()[1])


def fill(path: Path, mebibytes: float) -> None:
    path.write_bytes(os.urandom(int(mebibytes * (1 << 20))))


def uuid_of(path: Path) -> str:
    return str(uuid.UUID(bytes=btrfsutil.subvolume_info(os.fspath(path)).uuid))


def after_the_blank(system: System) -> int:
    """A transaction between the blank's last change and all that was written to old roots."""
    return int(btrfsutil.subvolume_info(os.fspath(system.top / "root-blank")).ctransid)
