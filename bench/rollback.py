"""What a boot waits for: the rollback, from its first program on, and the mount of the root after it.

Ours against the copied script, each on a filesystem of its own with the same in it.  Ours makes a snapshot
of the blank and deletes nothing; the copied script makes an empty root and deletes old roots of more than
30 days.  BTRFS does most of that deleting later, in the background, while the system starts: the boot does
not wait for it, so it is not in these figures.  A second figure of the same runs, where there is something
to delete, ends when the disk is at rest: everything deleted is gone, and everything written on the disk.

What the bench itself does between the runs is done before the next one begins: what it deletes is gone, and
the metadata is balanced once.  Hundreds of commits in a row leave its free space in small pieces, and then
the first write of a boot takes long whatever writes, and with no old root as well.  Ours is built as a
package does it, and reads the record that `impermanence setup` makes; its expired old roots
are deleted after the run, as the timer of `prune` does it in the running system.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from impermanenced.boots import records
from impermanenced.state import NO_BOOT_ID

from . import ground

HERE = Path(__file__).parent.parent
CLASSIC = HERE / "tests/shell/classic-wipe"
MANY = 300_000
RUNS = 15
HEAVY_RUNS = 3  # where every run wants files of its own
DAYS = 31

Figure = dict[str, object]


def run() -> Iterator[Figure]:
    with ground.filesystem("12G") as our_fs, ground.filesystem("12G") as their_fs:
        ours, theirs = Ours(our_fs, MANY), Classic(their_fs, MANY)
        yield from flat(ours)
        yield from compared(f"{MANY} files, no old root", ours, theirs, forget, deletes=False)
        yield from compared(f"{MANY} files, as many in one old root past 30 days", ours, theirs, with_files)
    with ground.filesystem("12G") as our_fs, ground.filesystem("12G") as their_fs:
        ours, theirs = Ours(our_fs, 10), Classic(their_fs, 10)
        yield from compared("10 files, no old root", ours, theirs, forget, deletes=False)
        yield from compared("10 files, one old root, past 30 days", ours, theirs, only_expired)
        for number in range(200):
            ours.old_root(number)
            theirs.old_root(number)
        data = "10 files, 200 old roots"
        yield from compared(data, ours, theirs, untouched, deletes=False)
        yield from compared(f"{data} and one past 30 days", ours, theirs, one_expired)
        yield from compared(f"{data} and one with 20 subvolumes past 30 days", ours, theirs, with_subvolumes)
        yield from compared(f"{data} and 30 past 30 days", ours, theirs, a_month)


class Side:
    """A filesystem with a `root` that is a copy of `seed`, as a script finds it at every boot."""

    def __init__(self, fs: ground.VolumeFacts, files: int) -> None:
        self.fs = fs
        self.names = itertools.count(1)
        self.root = fs.directory / "root"
        self.root.mkdir()
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

    def balance(self) -> None:
        at_rest(self.fs.top)
        ground.sh("btrfs", "balance", "start", "-f", "-m", self.fs.top)

    def timed(self, argv: list[str | Path]) -> tuple[float, float]:
        """Until the root is mounted, and until the disk is at rest."""
        at_rest(self.fs.top)
        self.fs.unmount()
        try:
            before = time.monotonic()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(["mount", "-o", "subvol=root", self.fs.device, self.root], check=True)
            mounted = time.monotonic() - before
            at_rest(self.root)
            rested = time.monotonic() - before
            ground.sh("umount", self.root)
            return mounted, rested
        finally:
            for where, option in self.fs.mounts:
                ground.sh("mount", "-o", f"{option},noatime", self.fs.device, where)


def at_rest(path: Path) -> None:
    """A commit wakes up who deletes; otherwise it begins half a minute later."""
    while True:
        ground.sh("btrfs", "filesystem", "sync", path)
        if not ground.sh("btrfs", "subvolume", "list", "-d", path).strip():
            return
        time.sleep(0.005)


class Ours(Side):
    def __init__(self, fs: ground.VolumeFacts, files: int) -> None:
        super().__init__(fs, files)
        self.snapshot("seed", "root-blank", "-r")
        ground.sh("make", "--silent", "-C", HERE, "build/impermanence-rollback")
        self.argv: list[str | Path] = [HERE / "build/impermanence-rollback"]
        fs.subvolume(".impermanence")
        volume = records.RollbackVolume("root", b"root", b"root-blank", blank_uuid=fs.uuid("root-blank"))
        record = records.RollbackEnv(volumes=(volume,), fsid=fs.fsid())
        (fs.top / ".impermanence/rollback.env").write_bytes(records.format_rollback(record))
        self.boots = fs.top / ".impermanence/boots"

    def switch(self) -> tuple[float, float]:
        run = self.fs.directory / f"run{next(self.names)}"
        run.mkdir()
        (run / "cmdline").write_text(f"root={self.fs.device} rootflags=subvol=root quiet\n")
        options: dict[str, str | Path] = {
            "--record": "/none",
            "--run": run,
            "--sysroot": run / "sysroot",
            "--cmdline": run / "cmdline",
            "--log": run / "log",
            "--efivars": "/none",
        }
        words = [word for pair in options.items() for word in pair]
        seconds = self.timed([*self.argv, *words])
        result = records.parse_record((run / "impermanence/rollback.env").read_bytes())
        if result.action != "wiped":
            raise ValueError(f"no switch: {result}")
        (self.boots / f"{result.number}.good").touch()
        for path in (self.fs.top / "old_roots").glob("past*"):
            self.delete(path)
        return seconds

    def old_root(self, number: int) -> None:
        """A life of before, and what is kept of its boot: the hook looks at the names of both."""
        self.snapshot("seed", f"old_roots/{number}-{NO_BOOT_ID}")
        record = next(self.boots.glob("*.env")).read_bytes()
        newest = max(int(path.stem) for path in self.boots.glob("*.env"))
        for suffix, content in (("env", record), ("good", b""), ("end", b"")):
            (self.boots / f"{newest + 1}.{suffix}").write_bytes(content)


class Classic(Side):
    def switch(self) -> tuple[float, float]:
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


def only_expired(side: Side) -> None:
    forget(side)
    side.expired()


def one_expired(side: Side) -> None:
    side.expired()


def with_subvolumes(side: Side) -> None:
    side.expired(subvolumes=20)


def a_month(side: Side) -> None:
    for _ in range(30):
        side.expired()


def with_files(side: Side) -> None:
    side.expired(files=MANY)


def flat(large: Ours) -> Iterator[Figure]:
    """Ours against itself on the smallest filesystem there is; all three take turns."""
    with ground.filesystem("12G") as one, ground.filesystem("12G") as two:
        small, rooted = Ours(one, 10), Ours(two, 10)
        rooted.switch()
        for number in range(200):
            rooted.old_root(number)
        for side in (small, rooted, large):
            side.balance()
        rows = []
        for _ in range(RUNS):
            forget(small)
            forget(large)
            rows.append([seconds for seconds, _ in in_turn((small, rooted, large))])
        base, *others = (statistics.median(column) for column in zip(*rows, strict=True))
        for data, own in zip(("10 files, 200 old roots", f"{MANY} files, no old root"), others, strict=True):
            yield figure(data, own, "itself, with 10 files and no old root", base)


def in_turn(sides: Sequence[Ours | Classic]) -> list[tuple[float, float]]:
    """Of each; what one still has to write is no burden for the next, and any may be the first."""
    for side in sides:
        at_rest(side.fs.top)
    took = {side: side.switch() for side in random.sample(sides, len(sides))}
    return [took[side] for side in sides]


def compared(
    data: str, ours: Ours, theirs: Classic, ready: Ready, *, deletes: bool = True
) -> Iterator[Figure]:
    ours.balance()
    theirs.balance()
    pairs = []
    for _ in range(HEAVY_RUNS if ready is with_files else RUNS):
        ready(ours)
        ready(theirs)
        pairs.append(in_turn((ours, theirs)))
    peer = "the copied script"
    for index, words in enumerate((data, f"{data}, to a disk at rest")[: 1 + deletes]):
        own, other = (statistics.median(pair[side][index] for pair in pairs) for side in (0, 1))
        yield figure(words, own, peer, other)


def figure(data: str, ours: float, peer: str, theirs: float) -> Figure:
    return {
        "data": data,
        "ours": round(ours, 3),
        "peer": peer,
        "theirs": round(theirs, 3),
        "ratio": round(theirs / ours, 2),
        "unit": "s",
    }
