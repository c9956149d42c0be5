"""A Debian 12 as its installer leaves it, which boots what lies in its own /boot at that moment."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cache
import kernel
from machine import Disk, Machine

from full import guest
from full.guest import HERE, Guest, succeed
from full.repository import PLACE, repository
from impermanenced.boots.kernels import installed

ARCHIVE = "archive.service"  # in the guest, which has no network
UUID = "6f0f3c52-1c0f-4f0e-9e0d-2f6f7a4f5b11"
# As the installer's GRUB says it.
WORDS = f"root=UUID={UUID} ro rootflags=subvol=@rootfs"
BUILDERS = {"initramfs-tools": ("initramfs-tools", "zstd"), "dracut": ("dracut", "zstd")}
_KERNEL = re.compile(r"linux-image-(\d\S*)-cloud-amd64")


@functools.cache
def kernels() -> tuple[str, str]:
    """The package of the kernel that a machine has at first, and that of its upgrade: Debian's two newest."""
    argv = ["apt-cache", "pkgnames", "linux-image-"]
    listed = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    found = [name for name in listed.stdout.split() if _KERNEL.fullmatch(name)]
    assert len(found) > 1, f"one kernel to upgrade from and one to upgrade to are wanted; apt knows {found}"
    in_order = sorted(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    return in_order[-2], in_order[-1]


def base(initrd: str) -> Path:
    words = (kernels()[0], *BUILDERS[initrd], "openssh-server", "sudo", "locales")
    return guest.base(*words, variant="standard")


def packages(initrd: str, *names: str) -> Path:
    """A tar of what the product depends on, and of these packages: there is no network."""
    depends = (HERE / "base-packages").read_text().split()
    return repository(base(initrd), *depends, "polkitd", *names)


def disk(initrd: str) -> Path:
    tar = base(initrd)
    key = cache.key(HERE / "build-stock", HERE / "agent.py", HERE / "agent.service", initrd, str(tar))

    def build(directory: Path) -> None:
        succeed([str(word) for word in (HERE / "build-stock", directory, tar, initrd)])

    return cache.cached(f"stock-{initrd}", key, build) / "disk.img"


class Stock(Guest):
    """The boot loader is played: before each boot it reads kernel and initrd from the root, as it is then."""

    def __init__(self, directory: Path, initrd: str, extra: Sequence[Disk]) -> None:
        self.directory = directory
        self.words = WORDS
        self.disk = directory / "disk.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk(initrd), self.disk], check=True)
        self.release = ""  # of the kernel that booted last
        drives = [Disk(self.disk), *extra]
        self.machine = Machine(
            directory, kernel=directory / "vmlinux", initrd=directory / "initrd", disks=drives
        )

    def power_on(self, extra: str = "") -> None:
        with self.top() as top:
            root = os.fsencode(top / "@rootfs")
            newest = installed(root)[0]
            assert newest.initrd is not None
            image = Path(os.fsdecode(root + newest.image)).read_bytes()
            (self.directory / "vmlinux").write_bytes(kernel.unpacked(image))
            shutil.copyfile(os.fsdecode(root + newest.initrd), self.directory / "initrd")
            self.release = os.fsdecode(newest.release)
        super().power_on(extra)

    @contextmanager
    def top(self) -> Iterator[Path]:
        """The top level as a boot loader sees it: nothing is written, and no log is replayed."""
        where = self.directory / "top"
        where.mkdir(exist_ok=True)
        options = "loop,ro,rescue=nologreplay,subvolid=5"
        subprocess.run(["mount", "-t", "btrfs", "-o", options, self.disk, where], check=True)
        try:
            yield where
        finally:
            subprocess.run(["umount", where], check=True)

    def serve(self, device: str, size: int) -> None:
        """Have the archive of packages that is on a disk answer, until the next reboot."""
        self.run(serving(device, size), timeout=600)

    def unplug(self) -> None:
        """No archive answers any more."""
        self.run(f"systemctl stop {ARCHIVE}")

    def apt(self, words: str, *, timeout: float = 1500) -> guest.Result:
        return self.run(f"DEBIAN_FRONTEND=noninteractive apt-get {words}", timeout=timeout)

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return int(self.run("stat -f -c '%a*%S' / | { IFS='*' read a b; echo $((a * b)); }").output)


def serving(device: str, size: int) -> str:
    """What has an archive of that size, on that disk, answer."""
    server = f"python3 -m http.server --bind 127.0.0.1 --directory {PLACE} 80"
    return (
        f"mkdir -p {PLACE} && head -c {size} {device} | tar -C {PLACE} -x"
        f" && systemd-run --quiet --unit {ARCHIVE} {server} && apt-get --option Acquire::Retries=20 update"
    )
