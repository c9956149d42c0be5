"""The initramfs of the micro machine: busybox, a few modules, and the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import cache
import kernel as kernels

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
INITRD = REPOSITORY / "initrd"
DISTURB = REPOSITORY / "tests/shell/disturb.c"
FIRST = ("virtio_pci", "virtio_console", "crc32c_generic", "btrfs")
DISK = ("virtio_blk",)


def run(*argv: str | Path) -> str:
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{argv}: {result.stderr}"
    return result.stdout


def build(kernel: kernels.Kernel) -> Path:
    """Keyed by everything that goes in, so that a changed program is a new initramfs."""
    key = cache.key(kernel.version, HERE / "init", Path(__file__), INITRD, DISTURB)

    def make(directory: Path) -> None:
        root = directory / "root"
        for name in ("bin", "proc", "sys", "dev", "run", "sysroot", "usr/lib/impermanence"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for applet in run("/bin/busybox", "--list").split():
            if applet != "busybox":
                (root / "bin" / applet).symlink_to("busybox")
        modules(kernel, root / "modules/first", FIRST)
        modules(kernel, root / "modules/disk", DISK, besides=FIRST)
        shutil.copy(built("impermanence-rollback"), root / "usr/lib/impermanence")
        shutil.copy(built("disturb"), root)
        shutil.copy(HERE / "init", root / "init")
        (directory / "initramfs").write_bytes(packed(root))
        shutil.rmtree(root)

    return cache.cached("micro", key, make) / "initramfs"


def built(name: str) -> Path:
    """What make builds under that name."""
    run("make", "--silent", "-C", REPOSITORY, f"build/{name}")
    return REPOSITORY / "build" / name


def packed(root: Path) -> bytes:
    names = "\n".join(os.fspath(path.relative_to(root)) for path in sorted(root.rglob("*")))
    argv = ["cpio", "--quiet", "-o", "-H", "newc"]
    return subprocess.run(argv, input=names.encode(), stdout=subprocess.PIPE, cwd=root, check=True).stdout


def extended(base: Path, root: Path, image: Path) -> Path:
    """The initramfs with the files below `root` besides, or instead of those it has."""
    image.write_bytes(base.read_bytes() + packed(root))
    return image


def copy_program(program: Path, root: Path) -> None:
    shutil.copy(program, root / "bin" / program.name)
    for library in re.findall(r"(/\S+)", run("ldd", program)):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


def modules(
    kernel: kernels.Kernel, directory: Path, names: tuple[str, ...], besides: tuple[str, ...] = ()
) -> None:
    directory.mkdir(parents=True)
    there = kernel.closure(*besides)
    wanted = [path for path in kernel.closure(*names) if path not in there]
    for number, path in enumerate(wanted):
        shutil.copy(path, directory / f"{number:02}-{path.name}")
