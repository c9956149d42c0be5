"""A root on LVM on LUKS: what the kernel sees of both, on a disk that nothing but the right key can read."""

from __future__ import annotations

import shutil
from pathlib import Path

import kernel as kernels
import pytest
from machine import Disk, Machine

from impermanenced.boots import records
from impermanenced.state import NO_BOOT_ID
from micro import initramfs
from micro.initramfs import HERE

SECONDS = 180.0
APPEND = "rdinit=/init-mapper root=/dev/mapper/vg-root rootflags=subvol=root"
MODULES = ("dm-mod", "dm-crypt", "aes_generic", "ecb", "xts")
ROOT = records.RollbackVolume("root", b"root", b"root-blank")


@pytest.fixture
def micro(workspace: Path, kernel: kernels.Kernel) -> Machine:
    root = workspace / "more"
    (root / "bin").mkdir(parents=True)
    shutil.copy(HERE / "init-mapper", root)
    for name in ("dmsetup", "btrfs", "mkfs.btrfs"):
        initramfs.copy_program(Path(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin") or name), root)
    there = (*initramfs.FIRST, *initramfs.DISK)
    initramfs.modules(kernel, root / "modules/mapper", MODULES, besides=there)
    (root / "rollback.env").write_bytes(records.format_rollback(records.RollbackEnv(volumes=(ROOT,))))
    image = workspace / "disk.img"
    with open(image, "wb") as stream:
        stream.truncate(256 << 20)
    return Machine(
        workspace,
        kernel=kernel.image,
        initrd=initramfs.extended(initramfs.build(kernel), root, workspace / "initramfs"),
        append=APPEND,
        disks=[Disk(image)],
        memory=256,
        cpus=1,
    )


def boot(micro: Machine, words: str = "") -> list[str]:
    micro.start(append=f"{APPEND} {words}")
    lines = []
    while (line := micro.report(SECONDS)) != "end":
        lines.append(line)
    micro.wait_exit(SECONDS)
    return lines


def test_logical_volume_on_an_encrypted_disk(micro: Machine) -> None:
    assert boot(micro, "mapper.make") == ["made"], micro.tail()
    assert b"_BHRfS_M" not in micro.disks[0].path.read_bytes(), "the disk is not encrypted"
    lines = boot(micro)
    assert "result ACTION=wiped" in lines
    files = [line.removeprefix("file ") for line in lines if line.startswith("file ")]
    old = f"old_roots/0-{NO_BOOT_ID}"
    assert files == ["root/etc", f"{old}/crud", f"{old}/etc"]
