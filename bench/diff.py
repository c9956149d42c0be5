"""`impermanence diff -b`: two old roots of 300,000 files with 1,000 differences, as a whole process.

Beside a walk of both (`diff -rq`), the stream of `btrfs send --no-data -p | btrfs receive --dump`, which
needs read-only snapshots (making these is not counted), and snapper's own comparison where snapper is
installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
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
    if (snapper := of_snapper(fs, one, two)) is not None:
        peers.append(("snapper status", snapper))
    for peer, theirs in peers:
        for state in ("cold", "warm"):
            data = f"{FILES // 1000}k files, {CHANGES} differences in {directories} directories, {state}"
            timed = partial(from_disk if state == "cold" else from_memory, fs)
            yield from ground.figures(data, partial(timed, argv), peer, partial(timed, theirs), RUNS)


def from_disk(fs: ground.VolumeFacts, argv: Sequence[str | Path]) -> ground.Cost:
    fs.cool()
    return ground.cost(argv)


def from_memory(_: ground.VolumeFacts, argv: Sequence[str | Path]) -> ground.Cost:
    return ground.cost(argv)


def of_snapper(fs: ground.VolumeFacts, one: Path, two: Path) -> Sequence[str | Path] | None:
    """Return the command that has snapper compare the two, or None where it is not installed.

    With --root it looks for all of its files there, and creates no configuration without those of /etc.
    """
    if shutil.which("snapper") is None:
        ground.say("no snapper here")
        return None
    where = fs.mount("snapper", "subvol=root")
    (where / "etc/default").mkdir(parents=True)
    (where / "etc/default/snapper").write_text('SNAPPER_CONFIGS="root"\n')
    (where / "etc/snapper/configs").mkdir(parents=True)
    (where / "etc/snapper/configs/root").write_text('SUBVOLUME="/"\nFSTYPE="btrfs"\n')
    ground.sh("btrfs", "subvolume", "create", where / ".snapshots")
    for number, source in enumerate((one, two), 1):
        ground.sh("snapper", "--no-dbus", "--root", where, "create")
        place = where / f".snapshots/{number}/snapshot"
        ground.sh("btrfs", "subvolume", "delete", place)
        ground.sh("btrfs", "subvolume", "snapshot", "-r", source, place)
    forget = f"rm -f {where}/.snapshots/*/filelist-*"
    return ["sh", "-c", f"{forget}; snapper --no-dbus --root {where} status 1..2"]
