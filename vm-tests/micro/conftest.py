"""The micro machine: a kernel, busybox, the hook, and a root with one life behind it."""

from __future__ import annotations

from pathlib import Path

import kernel as kernels
import pytest
from machine import Disk, Machine

from micro import disk, initramfs


@pytest.fixture
def micro(workspace: Path, kernel: kernels.Kernel) -> Machine:
    image = workspace / "disk.img"
    disk.make(image)
    return Machine(
        workspace,
        kernel=kernel.image,
        initrd=initramfs.build(kernel),
        append="root=/dev/vda rootflags=subvol=root quiet",
        disks=[Disk(image)],
        memory=256,
        cpus=1,
    )
