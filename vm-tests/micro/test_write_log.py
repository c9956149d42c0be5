"""What a power cut can leave of the switch on a disk: every flush, and between two flushes any blocks."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kernel as kernels
import pytest
import write_log
from machine import Disk, Machine
from write_log import Write

from impermanenced.boots import records
from micro import disk, initramfs
from micro.initramfs import run

SECONDS = 180.0


SUBSETS = 5  # of the blocks of an epoch, where there are more


@pytest.mark.parametrize("way", ["exchange", "two renames"])
def test_every_flush(workspace: Path, kernel: kernels.Kernel, way: str) -> None:
    seed = int(os.environ.get("MICRO_SEED", str(random.SystemRandom().randrange(10**6))))
    draw = random.Random(seed)
    image, log, state, copy = (workspace / name for name in ("disk.img", "log.img", "state.img", "copy.img"))
    disk.make(image)
    shutil.copyfile(image, state)
    words = "" if way == "exchange" else "micro.renames"
    steps = one_switch(workspace, kernel.image, initramfs.build(kernel), words, Disk(image, log=log))
    # What is moved by name first: the new root to the name of the old one, or that one to the archive.
    assert ("step rename root" in steps) == (way == "two renames"), steps

    told: Counter[str] = Counter()
    epochs = [epoch for epoch in write_log.epochs(log) if epoch]
    for number, epoch in enumerate(epochs):
        for some in (*subsets(epoch, draw), epoch):
            shutil.copyfile(state, copy)
            write_log.apply(copy, some)
            where = f"epoch {number}, {len(some)} of {len(epoch)} blocks, MICRO_SEED={seed}"
            told[look_and_boot(copy, where)] += 1
        write_log.apply(state, epoch)
    blocks = sum(len(epoch) for epoch in epochs)
    sys.stdout.write(
        f"MICRO_SEED={seed} {way}: {blocks} blocks between {len(epochs)} flushes, "
        f"{told.total()} states: {dict(told)}\n"
    )
    assert told.total() >= 20, "that was no switch"
    # The log is whole: at its end it gives what the machine left.
    with disk.mounted(state) as top:
        assert [record.action for record in disk.boots(top)] == ["wiped"]
        assert disk.lost(top) == []


def subsets(epoch: list[Write], draw: random.Random) -> list[list[Write]]:
    """Neither none of the blocks nor all: every choice where there are few, else some."""
    if len(epoch) <= 3:
        sizes = range(1, len(epoch))
        return [list(some) for size in sizes for some in itertools.combinations(epoch, size)]
    return [draw.sample(epoch, draw.randrange(1, len(epoch))) for _ in range(SUBSETS)]


def one_switch(workspace: Path, image: Path, initrd: Path, words: str, drive: Disk) -> list[str]:
    append = f"root=/dev/vda rootflags=subvol=root quiet {words}"
    with Machine(
        workspace, kernel=image, initrd=initrd, append=append, memory=256, cpus=1, disks=[drive]
    ) as micro:
        micro.start()
        micro.wait_report("ready", SECONDS)
        micro.say("go")
        lines = []
        while (line := micro.report(SECONDS)) != "end":
            lines.append(line)
        micro.wait_exit(SECONDS)
    assert "result ACTION=wiped" in lines
    return [line for line in lines if line.startswith("step ")]


def look_and_boot(image: Path, where: str) -> str:
    """A root is there and no file of the old one is lost: as the cut left it, and after the hook."""
    check = subprocess.run(
        ["btrfs", "check", "--readonly", image], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, f"{where}: {check.stderr}"
    with disk.mounted(image) as top:
        assert (top / "root/etc/hostname").exists(), f"{where}: no root"
        assert disk.lost(top, "staging") == [], where
        before = "wiped" if not (top / "root/small").exists() else "old"
    result = boot(image)
    assert result.action == "wiped", f"{where}: {result}"
    with disk.mounted(image) as top:
        assert (top / "root/etc/hostname").exists(), f"{where}: no root after the hook"
        assert not (top / "root/small").exists(), where
        assert disk.lost(top) == [], where
        assert not list((top / ".impermanence/staging").iterdir()), where
        numbers = disk.numbers(top)
        assert numbers == sorted(set(numbers)), where
    return f"{before} root, {result.reason or 'a switch of its own'}"


def boot(image: Path) -> records.BootRecord:
    """The hook once more, on this kernel: another boot of a machine would be no different, and slow."""
    directory = image.with_suffix(".run")
    directory.mkdir()
    device = run("losetup", "--find", "--show", image).strip()
    try:
        (directory / "cmdline").write_text(f"root={device} rootflags=subvol=root\n")
        options: dict[str, str | Path] = {
            "--record": "/none",
            "--run": directory,
            "--sysroot": directory / "sysroot",
            "--cmdline": directory / "cmdline",
            "--log": directory / "log",
            "--efivars": "/none",
            "--wait": "0",
        }
        run(initramfs.built("impermanence-rollback"), *(word for pair in options.items() for word in pair))
        file = directory / "impermanence/rollback.env"
        return records.parse_record(file.read_bytes(), bytes(file))
    finally:
        disk.detach(device)
        shutil.rmtree(directory)
