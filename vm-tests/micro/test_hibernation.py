"""Suspend to disk, power off, resume: the life goes on, and nothing is rolled back beneath it."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import kernel as kernels
import pytest
from machine import Disk, Machine

from impermanenced.state import NO_BOOT_ID
from micro import disk, initramfs
from micro.initramfs import HERE, run

SECONDS = 180.0
APPEND = "rdinit=/init-hibernation root=/dev/vda rootflags=subvol=root resume=/dev/sda"


def with_hibernation(base: Path, kernel: kernels.Kernel, directory: Path) -> Path:
    """The micro machine's initramfs and, behind it, another one with what this test adds."""
    root = directory / "more"
    root.mkdir()
    shutil.copy(HERE / "init-hibernation", root)
    initramfs.modules(
        kernel, root / "modules/late", ("virtio_scsi", "sd_mod"), besides=(*initramfs.FIRST, *initramfs.DISK)
    )
    return initramfs.extended(base, root, directory / "initramfs")


@pytest.fixture
def micro(workspace: Path, kernel: kernels.Kernel) -> Machine:
    image, swap = workspace / "disk.img", workspace / "swap.img"
    disk.make(image)
    with open(swap, "wb") as stream:
        stream.truncate(300 << 20)
    run("mkswap", swap)
    return Machine(
        workspace,
        kernel=kernel.image,
        initrd=with_hibernation(initramfs.build(kernel), kernel, workspace),
        append=APPEND,
        disks=[Disk(image)],
        memory=256,
        cpus=1,
        extra=(
            *("-drive", f"if=none,id=swap,file={swap},format=raw,cache=unsafe"),
            *("-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=swap"),
        ),
    )


def until(micro: Machine, last: str) -> list[str]:
    lines: list[str] = []
    while not lines or lines[-1] != last:
        lines.append(micro.report(SECONDS))
    micro.wait_exit(SECONDS)
    return lines


def boot(micro: Machine, last: str, words: str = "") -> list[str]:
    """What it reports, to the end of its QEMU."""
    began = time.monotonic()
    micro.start(append=f"{APPEND} {words}")
    lines: list[str] = []
    while not lines or lines[-1] != last:
        lines.append(micro.report(SECONDS))
    micro.wait_exit(SECONDS)
    sys.stdout.write(f"{words or 'boot'}, {time.monotonic() - began:.1f} s: {lines}\n")
    return lines


@pytest.mark.parametrize("delay", [0, 8])
def test_resume(micro: Machine, delay: int) -> None:
    assert "result ACTION=wiped" in boot(micro, "hibernating")
    lines = boot(micro, "end", f"hibernation.delay={delay}")
    waited = next(int(line.split()[-1]) for line in lines if line.startswith("resume device after"))
    assert waited >= delay - 1  # whole seconds
    went_on(micro, lines)


def test_image_that_was_not_resumed_is_still_whole_after_the_hook(micro: Machine) -> None:
    assert "result ACTION=wiped" in boot(micro, "hibernating")
    before = micro.disks[0].path.read_bytes()
    lines = boot(micro, "end", "hibernation.forget")
    assert "result ACTION=refused" in lines
    assert "result REASON=a hibernation image waits in /dev/sda" in lines
    assert "never mounted" in lines
    assert micro.disks[0].path.read_bytes() == before
    went_on(micro, boot(micro, "end", "hibernation.delay=0"))


def went_on(micro: Machine, lines: list[str]) -> None:
    """The life that went to sleep, with what only memory had; its filesystem is sound and not rolled back."""
    assert "begin" not in lines, "the hook has run though the image could be resumed"
    assert {"woke", "life in memory", "data intact"} <= set(lines)
    run("btrfs", "check", "--readonly", micro.disks[0].path)
    with disk.mounted(micro.disks[0].path) as top:
        assert [record.number for record in disk.boots(top)] == [1]
        assert [path.name for path in (top / "old_roots").iterdir()] == [f"0-{NO_BOOT_ID}"]
        assert (top / "root/synced").read_text() == "on disk\n"
        assert (top / "root/after").read_text() == "after\n"
        assert (top / "root/unsynced").stat().st_size == 1 << 20
        assert disk.lost(top) == []
