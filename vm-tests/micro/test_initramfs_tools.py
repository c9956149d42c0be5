"""From an initrd of Debian's initramfs-tools to the init of the real root."""

from __future__ import annotations

import shutil
from pathlib import Path

import kernel as kernels
import pytest
from machine import Disk, Machine

from micro import disk, initramfs_tools
from micro.initramfs import HERE, run
from micro.test_early import declare

SECONDS = 180.0
ROOT = "root=/dev/vda rootfstype=btrfs rootflags=subvol=root rw"


@pytest.fixture
def micro(workspace: Path, kernel: kernels.Kernel) -> Machine:
    image = workspace / "disk.img"
    disk.make(image)
    with disk.mounted(image) as top:
        give_init(top)
    initrd = initramfs_tools.build(kernel)
    disks = [Disk(image)]
    return Machine(workspace, kernel=kernel.image, initrd=initrd, append=ROOT, disks=disks, cpus=1)


def give_init(top: Path) -> None:
    """What a root needs to report, in the living root and in its blank."""
    run("btrfs", "property", "set", "-ts", top / "root-blank", "ro", "false")
    for root in (top / "root", top / "root-blank"):
        for name in ("bin", "sbin", "dev", "proc", "sys", "run"):
            (root / name).mkdir()
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for applet in ("sh", "poweroff"):
            (root / "bin" / applet).symlink_to("busybox")
        shutil.copy(HERE / "real-init", root / "sbin/init")
    run("btrfs", "property", "set", "-ts", top / "root-blank", "ro", "true")


def boot(micro: Machine, append: str) -> list[str]:
    micro.start(append=f"{ROOT} {append}")
    lines = []
    while (line := micro.report(SECONDS)) != "end":
        lines.append(line)
    micro.wait_exit(SECONDS)
    return lines


def test_boots(micro: Machine, workspace: Path) -> None:
    lines = boot(micro, "impermanence=off")
    assert "result ACTION=off" in lines
    assert "never mounted" in lines
    assert "root small" in lines

    lines = boot(micro, "")
    assert "result ACTION=wiped" in lines
    assert "root small" not in lines
    assert "root etc" in lines
    with disk.mounted(micro.disks[0].path) as top:
        assert disk.lost(top) == []
        assert [record.number for record in disk.boots(top)] == [1]


def test_what_is_declared_is_there_before_init(micro: Machine, workspace: Path) -> None:
    """The root's own init finds it, which is PID 1 in place of systemd."""
    with disk.mounted(micro.disks[0].path) as top:
        run("btrfs", "subvolume", "create", top / "persist")
    declare(micro, 3, workspace)
    lines = boot(micro, "")
    assert "result ACTION=wiped" in lines
    mounted = sorted(line for line in lines if line.startswith("mounted "))
    assert mounted == [f"mounted /persist/srv/{number}/kept /srv/{number}/kept" for number in range(3)]
