"""The verdicts on 100,000 drift entries, from the configuration's rules to entries of a report, in one
process.

The files are there, so that contents are looked at; the package database and the unit files are those of
this machine; two old roots hold a tenth of the paths, as old roots do of what is written at each boot.  The
peer is what git takes to say which of as many patterns names each of the same paths; it knows no packages,
units, contents or lives.  As in the command line, garbage in cycles is not searched for meanwhile.  Memory
is what the verdicts add at their peak, without the differences: what an entry of the report takes, and what
is remembered of the machine, which does not grow with their number.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from impermanenced.model import Change, Declaration, Difference, FileType, Mounted, Volume
from impermanenced.report.appraisal import Judged, VolumeFacts, appraise
from impermanenced.report.appraisal.old_roots import OldRootTree
from impermanenced.report.knowledge import load
from impermanenced.report.rules import Rules
from impermanenced.system.systemd import NoSystemd

from . import ground

ENTRIES = 100_000
BEFORE = 10_000  # in each old root
RUNS = 5
IGNORE = ("*.swp", "/tmp/", "*~", "/home/*/Downloads/", "node_modules/")
PLACES = (
    "etc/thing%d/file%d", "var/lib/service%d/data/%d", "home/alice/.config/app%d/setting%d",
    "home/alice/code/project%d/source%d.c", "home/alice/.cache/app%d/%d", "opt/thing%d/lib/%d",
    "usr/lib/thing%d/%d.so", "var/log/thing%d/%d.log",
)  # fmt: skip
CONTENTS = (b"text of some length\n" * 20, b"SQLite format 3\0" + bytes(4096 - 16), b"\x7fELF" + bytes(200))
SYSTEM = ("var/lib/dpkg/info", "usr/lib/systemd/system", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d")


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("4G") as fs:
        seed = fs.subvolume("seed")
        for place in SYSTEM:
            (seed / place).parent.mkdir(parents=True, exist_ok=True)
            ground.sh("cp", "-a", f"/{place}", seed / place)
        ground.sh("cp", "-a", "/var/lib/dpkg/status", seed / "var/lib/dpkg/status")
        root, _ = fs.volume(seed, "root")
        install(root, 10)
        for number in range(2):
            write(fs.subvolume(f"old{number}"), BEFORE)
        differences = write(root, ENTRIES)
        blank, lives = fs.top / "root-blank", [fs.top / "old0", fs.top / "old1"]
        ours, theirs = ground.paired(
            lambda: verdicts(root, blank, lives, differences),
            lambda: check_ignore(fs.directory, root, differences),
            RUNS,
        )
        yield figure(ours=round(ours, 3), theirs=round(theirs, 3), unit="s")
        for count in (ENTRIES // 4, ENTRIES):
            tracemalloc.start()
            verdicts(root, blank, lives, differences[:count])
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            yield figure(count, ours=round(peak / count), unit="bytes an entry at the peak")


def figure(count: int = ENTRIES, *, ours: float, theirs: float | None = None, unit: str) -> dict[str, object]:
    return {
        "data": f"{count // 1000}k entries",
        "ours": ours,
        "peer": "git check-ignore" if theirs is not None else None,
        "theirs": theirs,
        "ratio": round(theirs / ours, 1) if theirs is not None else None,
        "unit": unit,
    }


def install(root: Path, count: int) -> None:
    """So many packages are newer than in the blank, as dpkg leaves them."""
    for path in sorted((root / "var/lib/dpkg/info").glob("*.list"))[:count]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def write(root: Path, count: int) -> list[Difference]:
    differences = []
    for number in range(count):
        name = PLACES[number % len(PLACES)] % (number // 800, number)
        path = root / name
        if number % 800 < len(PLACES):
            path.parent.mkdir(parents=True, exist_ok=True)
        content = CONTENTS[number % len(CONTENTS)]
        path.write_bytes(content)
        facts = Change.CREATED, "+......", number, len(content), 0, 0, 0o644, 0
        differences.append(Difference(os.fsencode(f"/{name}"), FileType.FILE, *facts, ctime=1))
    return differences


def verdicts(root: Path, blank: Path, lives: list[Path], differences: list[Difference]) -> float:
    volume = Volume("root", b"/", b"/", b"root", 256, None, None)
    gc.collect()
    gc.disable()
    began = time.monotonic()
    rules = Rules(
        [Declaration(b"/var/lib/service1", True, b"/persist", "config.toml")],
        [Mounted(b"/var/lib/service2", "btrfs", b"/persist/var/lib/service2", False)],
        IGNORE,
        [b"/persist"],
    )
    judged = (Judged(one, *rules.judge(one)[:2], None) for one in differences)
    old = [OldRootTree(number, os.fsencode(path)) for number, path in enumerate(lives)]
    place = os.fsencode(root)
    with VolumeFacts(
        volume,
        place,
        os.fsencode(blank),
        place,
        NoSystemd(),
        lambda homes: load(homes=homes),
        lambda: old,
        "",
    ) as asked:
        entries = appraise(asked, judged, time.time())
    seconds = time.monotonic() - began
    gc.enable()
    assert len(entries) == len(differences)
    return seconds


def check_ignore(directory: Path, root: Path, differences: list[Difference]) -> float:
    repository = directory / "repository"
    if not repository.exists():
        ground.sh("git", "init", "--quiet", "--bare", repository)
        patterns = [path.replace("~/", "/home/*/") for rule in load().rules for path in rule.paths]
        (repository / "info/exclude").write_text("".join(f"{pattern}\n" for pattern in patterns))
    paths = b"".join(one.path[1:] + b"\0" for one in differences)
    argv: list[str | Path] = [
        "git",
        "--git-dir",
        repository,
        "--work-tree",
        root,
        "check-ignore",
        "--no-index",
        "--stdin",
        "-z",
        "-v",
    ]
    began = time.monotonic()
    subprocess.run(argv, input=paths, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began
