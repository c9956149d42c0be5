"""A Debian as its installer leaves it, which boots what lies in its own /boot at that moment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cache
import kernel as kernels
from machine import Disk, Machine

from full import guest
from full.guest import HERE, Guest, succeed
from full.repository import PLACE, repository
from impermanenced.boots.kernels import installed

KERNEL = "linux-image-cloud-amd64"
UUID = "6f0f3c52-1c0f-4f0e-9e0d-2f6f7a4f5b11"
# As the installer's GRUB says it.
WORDS = f"root=UUID={UUID} ro rootflags=subvol=@rootfs"
BUILDERS = {"initramfs-tools": ("initramfs-tools", "zstd")}


@dataclass(frozen=True, slots=True)
class System:
    release: str  # of Debian
    initrd: str  # what builds it, by the names in BUILDERS

    def __str__(self) -> str:
        return f"{self.release}-{self.initrd}"

    def base(self) -> Path:
        """What the installer puts on the disk, as a tar."""
        more = (KERNEL, *BUILDERS[self.initrd], "openssh-server", "sudo", "locales")
        return guest.base(*more, variant="standard", release=self.release)

    def packages(self, *names: str) -> Path:
        """A tar of what the product depends on, and of these packages: there is no network."""
        depends = (HERE / "base-packages").read_text().split()
        return repository(self.base(), *depends, "polkitd", *names, release=self.release)

    def disk(self) -> Path:
        tar = self.base()
        key = cache.key(
            HERE / "build-stock", HERE / "agent.py", HERE / "agent.service", self.initrd, str(tar)
        )

        def build(directory: Path) -> None:
            succeed([str(word) for word in (HERE / "build-stock", directory, tar, self.initrd)])

        return cache.cached(f"stock-{self}", key, build) / "disk.img"


SYSTEMS = (System("bookworm", "initramfs-tools"), System("trixie", "initramfs-tools"))


class Stock(Guest):
    """The boot loader is played: before each boot it reads kernel and initrd from the root, as it is then."""

    def __init__(self, directory: Path, system: System, extra: Sequence[Disk]) -> None:
        self.directory = directory
        self.system = system
        self.words = WORDS
        self.disk = directory / "disk.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", system.disk(), self.disk], check=True)
        self.release = ""  # of the kernel that booted last
        drives = [Disk(self.disk), *extra]
        kernel, initial = directory / "vmlinux", directory / "initrd"
        self.machine = Machine(directory, kernel=kernel, initrd=initial, disks=drives)

    def power_on(self, extra: str = "") -> None:
        with self.top() as top:
            root = os.fsencode(top / "@rootfs")
            newest = installed(root)[0]
            assert newest.initrd is not None
            image = Path(os.fsdecode(root + newest.image)).read_bytes()
            (self.directory / "vmlinux").write_bytes(kernels.unpacked(image))
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

    def unpack(self, device: str, size: int) -> None:
        """Have apt know the packages on a disk."""
        self.run(f"mkdir -p {PLACE} && head -c {size} {device} | tar -C {PLACE} -x", timeout=300)
        self.run(f"APT_CONFIG={PLACE}/apt.conf apt-get update")

    def apt(self, words: str, *, timeout: float = 1500) -> guest.Result:
        environment = f"APT_CONFIG={PLACE}/apt.conf DEBIAN_FRONTEND=noninteractive"
        return self.run(f"{environment} apt-get {words}", timeout=timeout)

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return int(self.run("stat -f -c '%a*%S' / | { IFS='*' read a b; echo $((a * b)); }").output)
