"""One switch at boot, from the start of the script to the unmounted filesystem: ours against the copied one.

Each has a filesystem of its own with the same in it.  The copied script makes an empty root, ours a
snapshot of the blank; ours deletes nothing at boot.  The boot waits for all of it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from impermanenced import records

from . import ground

HERE = Path(__file__).parent.parent
CLASSIC = HERE / "tests/shell/classic-wipe"
MANY = 300_000
RUNS = 9
HEAVY_RUNS = 3  # where every run wants files of its own
DAYS = 31


def run() -> Iterator[dict[str, object]]:
    seen: list[float] = []
    with ground.filesystem("12G") as our_fs, ground.filesystem("12G") as their_fs:
        pair = Ours(our_fs, 10), Classic(their_fs, 10)
        yield measure("10 files, no old root", *pair, seen, ready=forget)
        for number in range(200):
            for side in pair:
                side.old_root(number)
        yield measure("10 files, 200 old roots", *pair, seen)
        yield measure("10 files, one old root past 30 days", *pair, seen, ready=one_expired)
        yield measure("10 files, one with 20 subvolumes past 30 days", *pair, seen, ready=with_subvolumes)
        yield measure("10 files, 30 old roots past 30 days", *pair, seen, ready=a_month)
    with ground.filesystem("12G") as our_fs, ground.filesystem("12G") as their_fs:
        pair = Ours(our_fs, MANY), Classic(their_fs, MANY)
        yield measure(f"{MANY} files, no old root", *pair, seen, ready=forget)
        data = f"{MANY} files, and as many in one old root past 30 days"
        yield measure(data, *pair, seen, ready=with_files, runs=HEAVY_RUNS)
    yield {
        "data": f"ours, slowest of these to fastest: {max(seen):.3f} s, {min(seen):.3f} s",
        "ours": round(max(seen) / min(seen), 2),
        "peer": None,
        "theirs": None,
        "ratio": None,
        "unit": "x",
    }


class Side:
    """A filesystem with a `root` that is a copy of `seed`, as a script finds it at every boot."""

    def __init__(self, fs: ground.Ground, files: int) -> None:
        self.fs = fs
        self.names = itertools.count(1)
        ground.fill(fs.subvolume("seed"), files)
        (fs.top / "old_roots").mkdir()
        self.snapshot("seed", "root")

    def snapshot(self, source: str, target: str, *flags: str) -> None:
        ground.sh("btrfs", "subvolume", "snapshot", *flags, self.fs.top / source, self.fs.top / target)

    def delete(self, path: Path) -> None:
        for below in sorted(path.glob("nested*")):
            ground.sh("btrfs", "subvolume", "delete", below)
        ground.sh("btrfs", "subvolume", "delete", path)

    def expired(self, *, files: int = 10, subvolumes: int = 0) -> None:
        """One more old root that the copied script deletes, with files that no other root has."""
        path = self.fs.subvolume(f"old_roots/past{next(self.names)}")
        ground.fill(path, files)
        for number in range(subvolumes):
            ground.fill(self.fs.subvolume(f"old_roots/{path.name}/nested{number}"), 10)
        then = time.time() - DAYS * 24 * 3600
        os.utime(path, (then, then))

    def timed(self, argv: list[str | Path]) -> float:
        self.fs.unmount()
        try:
            before = time.monotonic()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return time.monotonic() - before
        finally:
            for where, option in self.fs.mounts:
                ground.sh("mount", "-o", f"{option},noatime", self.fs.device, where)


class Ours(Side):
    def __init__(self, fs: ground.Ground, files: int) -> None:
        super().__init__(fs, files)
        self.snapshot("seed", "root-blank", "-r")
        self.hook = fs.directory / "hook"
        self.hook.mkdir()
        shutil.copy(HERE / "initrd/impermanence-rollback", self.hook)
        ground.sh("gcc", "-O2", "-o", self.hook / "exchange", HERE / "initrd/exchange.c")
        fs.subvolume(".impermanence")
        volume = records.RollbackVolume("root", b"root", b"root-blank")
        (fs.top / ".impermanence/rollback.env").write_bytes(
            records.format_rollback(records.RollbackEnv(volumes=(volume,)))
        )

    def switch(self) -> float:
        run = self.fs.directory / f"run{next(self.names)}"
        run.mkdir()
        (run / "cmdline").write_text(f"root={self.fs.device} quiet\n")
        options = {
            "--record": "/none",
            "--run": run,
            "--sysroot": run / "sysroot",
            "--cmdline": run / "cmdline",
            "--log": run / "log",
            "--efivars": "/none",
        }
        words = [word for pair in options.items() for word in pair]
        seconds = self.timed(["dash", self.hook / "impermanence-rollback", *words])
        result = records.parse_record((run / "impermanence/rollback.env").read_bytes())
        if result.action != "wiped":
            raise ValueError(f"no switch: {result}")
        return seconds

    def old_root(self, number: int) -> None:
        """A life of before, and the record of its boot: the hook looks at the names of both."""
        self.snapshot("seed", f"old_roots/{number}-{records.NO_BOOT_ID}")
        boots = self.fs.top / ".impermanence/boots"
        record = next(iter(boots.glob("*.env"))).read_bytes()
        newest = max(int(path.stem) for path in boots.glob("*.env"))
        (boots / f"{newest + 1}.env").write_bytes(record)


class Classic(Side):
    def switch(self) -> float:
        root = self.fs.top / "root"
        self.delete(root)
        self.snapshot("seed", "root")
        # It names an old root by the second: two of one name, and the one after them is not wiped.
        then = time.time() - 60 * next(self.names)
        os.utime(root, (then, then))
        seconds = self.timed(["dash", CLASSIC, self.fs.device, self.fs.directory / "classic"])
        if list(root.iterdir()):
            raise ValueError("no switch")
        return seconds

    def old_root(self, number: int) -> None:
        name = f"old_roots/2026-01-1_00:{number // 60:02}:{number % 60:02}"
        self.snapshot("seed", name)
        (self.fs.top / name).touch()


Ready = Callable[[Side], None]


def untouched(side: Side) -> None:
    """What is there already is what is measured."""


def forget(side: Side) -> None:
    """No old root and no record of one."""
    for path in (side.fs.top / "old_roots").iterdir():
        side.delete(path)
    for path in (side.fs.top / ".impermanence").glob("boots/*"):
        path.unlink()


def one_expired(side: Side) -> None:
    side.expired()


def with_subvolumes(side: Side) -> None:
    side.expired(subvolumes=20)


def a_month(side: Side) -> None:
    for _ in range(30):
        side.expired()


def with_files(side: Side) -> None:
    side.expired(files=MANY)


def measure(
    data: str,
    ours: Ours,
    theirs: Classic,
    seen: list[float],
    *,
    ready: Ready = untouched,
    runs: int = RUNS,
) -> dict[str, object]:
    def timed(side: Ours | Classic) -> float:
        ready(side)
        return side.switch()

    own, peer = ground.paired(lambda: timed(ours), lambda: timed(theirs), runs)
    seen.append(own)
    return {
        "data": data,
        "ours": round(own, 3),
        "peer": "the copied script",
        "theirs": round(peer, 3),
        "ratio": round(peer / own, 2),
        "unit": "s",
    }
