"""What is declared is there before the system starts, and what a hundred declarations cost a boot."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from machine import Machine

from impermanenced.config.load import load
from impermanenced.keep import plan, units
from impermanenced.keep.ownership import Accounts
from impermanenced.keep.plan import Facts
from micro import disk
from micro.initramfs import run
from micro.test_micro import boot

DECLARED = 100
BOOTS = 3  # of each kind; the quickest counts, for other work only adds
MOST = 0.5  # seconds, under emulation


def declare(micro: Machine, count: int, directory: Path) -> None:
    """Compile so many declarations into the machine, with their sources."""
    config = directory / "config.toml"
    entries = ", ".join(f'{{path = "/srv/{number}/kept", phase = "initrd"}}' for number in range(count))
    config.write_text(f'[persist."/persist"]\ndirectories = [{entries}]\n')
    with disk.mounted(micro.disks[0].path) as top:
        fsid = (top / ".impermanence/rollback.env").read_text().partition("FSID=")[2].partition("\n")[0]
        facts = Facts(Accounts({}, {}), tops={b"/persist": b"persist"}, filesystem=fsid)
        files = units.compiled(plan.make(load(os.fsencode(config)).placements, facts))
        compiled = top / ".impermanence/compiled"
        shutil.rmtree(compiled, ignore_errors=True)
        for name, content in {**files, "manifest": units.manifest(files)}.items():
            (compiled / name).parent.mkdir(parents=True, exist_ok=True)
            (compiled / name).write_bytes(content)
        for number in range(count):
            (top / f"persist/srv/{number}/kept").mkdir(parents=True, exist_ok=True)


def seconds(lines: list[str]) -> float:
    (line,) = [line for line in lines if line.startswith("early ")]
    before, after = map(float, line.split()[1:])
    return after - before


def test_a_hundred_declarations(micro: Machine, workspace: Path) -> None:
    with disk.mounted(micro.disks[0].path) as top:
        run("btrfs", "subvolume", "create", top / "persist")
    took: dict[int, list[float]] = {0: [], DECLARED: []}
    for count in (0, DECLARED) * BOOTS:
        declare(micro, count, workspace)
        lines = boot(micro)
        mounted = [line.split()[1:] for line in lines if line.startswith("mounted ")]
        assert "result ACTION=wiped" in lines
        assert sorted(mounted) == [
            [f"/persist/srv/{number}/kept", f"/sysroot/srv/{number}/kept"]
            for number in sorted(map(str, range(count)))
        ], "each is there, in a root that is mounted read-only and was wiped"
        took[count].append(seconds(lines))
    added = min(took[DECLARED]) - min(took[0])
    sys.stdout.write(f"{DECLARED} declarations add {added * 1000:.0f} ms to a boot; without: {took[0]} s\n")
    assert added < MOST
