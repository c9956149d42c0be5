"""An initrd of Debian's initramfs-tools with the hook in it, as its package installs it."""

from __future__ import annotations

from pathlib import Path

import cache
import kernel as kernels

from micro.initramfs import HERE, INITRD, built, run

MMDEBSTRAP = [
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--dpkgopt=force-unsafe-io",
    "--include=initramfs-tools,btrfs-progs,zstd",
    "bookworm",
]


def base() -> Path:
    def build(directory: Path) -> None:
        run(*MMDEBSTRAP, directory / "base.tar")

    return cache.cached("initramfstools", cache.key(*MMDEBSTRAP), build) / "base.tar"


def build(kernel: kernels.Kernel) -> Path:
    tar = base()
    script = HERE / "build-initramfs-tools"
    key = cache.key(kernel.version, str(tar), script, Path(__file__), INITRD)

    def make(directory: Path) -> None:
        run(script, directory, tar, kernel.modules, built("impermanence-rollback"))

    return cache.cached("microtools", key, make) / "initrd"
