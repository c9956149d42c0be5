"""`impermanence diff -b`: two old roots of 300,000 files with 1,000 differences, as a whole process.

Beside a walk of both (`diff -rq`), snapper's own comparison where snapper is installed and runs on the image,
and the stream of `btrfs send --no-data -p | btrfs receive --dump`, which needs read-only snapshots:
making these is not counted.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import ground

FILES = ground.setting("FILES", 300_000)
CHANGES = ground.setting("CHANGES", 1_000)
RUNS = ground.setting("RUNS", 5)


def run() -> Iterator[dict[str, object]]:
    for directories in (50, CHANGES):
        with ground.filesystem("12G") as fs:
            yield from compared(fs, directories)


def compared(fs: ground.VolumeFacts, directories: int) -> Iterator[dict[str, object]]:
    seed = fs.subvolume("seed")
    ground.fill(seed, FILES)
    _, config = fs.volume(seed, "root")
    (fs.top / "old_roots").mkdir()
    names = ("2026-01-01_10:00:00", "2026-01-02_10:00:00")
    for turn, name in enumerate(names):
        root = fs.top / "old_roots" / name
        ground.sh("btrfs", "subvolume", "snapshot", fs.top / "root-blank", root)
        ground.change(root, CHANGES, FILES, directories=directories, turn=turn)
        ground.sh("btrfs", "subvolume", "snapshot", "-r", root, fs.top / f"sent{turn}")
    ground.sh("btrfs", "filesystem", "sync", fs.top)
    one, two = (fs.top / "old_roots" / name for name in names)
    program = ground.PROGRAMS / "impermanence"
    argv: Sequence[str | Path] = [program, "--config", config, "diff", "-b", "..".join(names)]
    ground.say(ground.sh(*argv).partition("\n")[0])
    stream = f"btrfs send -q --no-data -p {fs.top}/sent0 {fs.top}/sent1 | btrfs receive --dump"
    peers: list[tuple[str, Sequence[str | Path]]] = []
    peers.append(("diff -rq", ["sh", "-c", f"diff -rq --no-dereference {one} {two}; true"]))
    peers.append(("btrfs send | receive --dump", ["sh", "-c", stream]))
    if (snapper := of_snapper(fs, seed, one, two)) is not None:
        peers.append(("snapper status", snapper))
    for peer, theirs in peers:
        for state in ("cold", "warm"):
            yield measure(fs, f"{directories} directories, {state}", argv, peer, theirs)


def of_snapper(fs: ground.VolumeFacts, seed: Path, one: Path, two: Path) -> Sequence[str | Path] | None:
    """Return the command that has snapper compare the two, or None where it does not run here."""
    if shutil.which("snapper") is None:
        ground.say("no snapper here")
        return None
    where = fs.mount("snapper", "subvol=root")
    argv = ("snapper", "--no-dbus", "--root", where)
    try:
        ground.sh(*argv, "create-config", "--fstype", "btrfs", "/")
        for number, source in enumerate((one, two), 1):
            ground.sh(*argv, "create")
            place = where / f".snapshots/{number}"
            ground.sh("btrfs", "subvolume", "delete", place / "snapshot")
            ground.sh("btrfs", "subvolume", "snapshot", "-r", source, place / "snapshot")
    except subprocess.CalledProcessError as error:
        ground.say(f"snapper does not run here: {error.stderr.strip()}")
        return None
    forget = f"rm -f {where}/.snapshots/*/filelist-*"
    return ["sh", "-c", f"{forget}; snapper --no-dbus --root {where} status 1..2"]


def measure(
    fs: ground.VolumeFacts, state: str, ours: Sequence[str | Path], peer: str, theirs: Sequence[str | Path]
) -> dict[str, object]:
    def timed(argv: Sequence[str | Path]) -> float:
        if state.endswith("cold"):
            fs.cool()
        return ground.seconds(argv)

    mine, other = ground.paired(lambda: timed(ours), lambda: timed(theirs), RUNS)
    return {
        "data": f"{FILES // 1000}k files, {CHANGES} differences in {state}",
        "ours": round(mine, 3),
        "peer": peer,
        "theirs": round(other, 3),
        "ratio": round(other / mine, 1),
        "unit": "s",
    }
