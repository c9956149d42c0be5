"""A Debian as its installer leaves it, which boots what lies in its own /boot at that moment."""

from __future__ import annotations

import fcntl
import functools
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cache
import kernel
from machine import Disk, Machine

from full import guest, repository
from full.cuts import copy
from full.guest import HERE, Guest, succeed
from full.repository import PLACE

ARCHIVE = "archive.service"  # in the guest, which has no network
ROOT = "ro rootflags=subvol=@rootfs"  # as the installer's GRUB says it
BUILDERS = {"initramfs-tools": ("initramfs-tools", "zstd"), "dracut": ("dracut", "zstd")}
META = "linux-image-cloud-amd64"
_KERNEL = re.compile(r"\blinux-image-\d\S*-cloud-amd64$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class System:
    release: str  # of Debian
    initrd: str  # what builds it, by the names in BUILDERS

    def __str__(self) -> str:
        return f"{self.release}-{self.initrd}"

    def base(self) -> Path:
        """What the installer puts on the disk, as a tar."""
        more = (kernels(self.release)[0], *BUILDERS[self.initrd], "openssh-server", "sudo", "locales")
        return guest.base(*more, variant="standard", release=self.release)

    def packages(self, *names: str) -> Path:
        """A tar of what the product depends on, and of these packages: there is no network."""
        depends = (HERE / "base-packages").read_text().split()
        return repository.repository(self.base(), *depends, "polkitd", *names, release=self.release)

    def disk(self) -> Path:
        tar = self.base()
        key = cache.key(
            HERE / "build-stock", HERE / "agent.py", HERE / "agent.service", self.initrd, str(tar)
        )

        def build(directory: Path) -> None:
            with _one_at_a_time():
                succeed([str(word) for word in (HERE / "build-stock", directory, tar, self.initrd)])

        return cache.cached(f"stock-{self}", key, build) / "disk.img"


@functools.cache
def kernels(release: str) -> tuple[str, str]:
    """The package of the kernel that a machine has at first, and that of its upgrade: the oldest and the
    newest of the series that this Debian has.
    """
    apt = ["apt-cache", *repository.archive(release)]
    (newest,) = _KERNEL.findall(_output(*apt, "depends", META))
    series = ".".join(newest.split(".")[:2]) + "."
    found = set(_KERNEL.findall(_output(*apt, "pkgnames", series))) - {newest}
    assert found, f"a kernel to upgrade from is wanted; of {series} apt knows {newest} alone"
    return min(found, key=_numbers), newest


def _output(*argv: str) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Linux mounts no second filesystem with a UUID that is mounted already, and all these have the same."""
    with open(cache.directory() / ".stock.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


SYSTEMS = (
    System("bookworm", "initramfs-tools"),
    System("bookworm", "dracut"),
    System("trixie", "initramfs-tools"),
)


class Stock(Guest):
    """The boot loader is played: before each boot it reads kernel and initrd from the root, as it is then."""

    def __init__(
        self, directory: Path, system: System, extra: Sequence[Disk], *, disk: Path | None = None
    ) -> None:
        """Make a machine of a disk, which is a new one of that system if none is given."""
        self.directory = directory
        self.system = system
        self.disk = disk or directory / "disk.img"
        if disk is None:
            copy(system.disk(), self.disk)
        self.words = f"root=UUID={uuid_of(self.disk)} {ROOT}"
        self.release = ""  # of the kernel that booted last
        drives = [Disk(self.disk), *extra]
        image, initial = directory / "vmlinux", directory / "initrd"
        self.machine = Machine(directory, kernel=image, initrd=initial, disks=drives)

    # A whole Debian on an emulated processor of a busy host takes its time.
    def boot(self, extra: str = "", *, timeout: float = 900.0) -> None:
        super().boot(extra, timeout=timeout)

    def shutdown(self, timeout: float = 600.0) -> None:
        super().shutdown(timeout)

    def power_on(self, extra: str = "") -> None:
        with self.top() as top:
            boot = top / "@rootfs/boot"
            # The newest first, as in the menu that update-grub makes.
            newest = max(boot.glob("vmlinuz-*"), key=lambda image: _numbers(image.name))
            self.release = newest.name.removeprefix("vmlinuz-")
            (self.directory / "vmlinux").write_bytes(kernel.unpacked(newest.read_bytes()))
            shutil.copyfile(boot / f"initrd.img-{self.release}", self.directory / "initrd")
        super().power_on(extra)

    @contextmanager
    def top(self) -> Iterator[Path]:
        """The top level as a boot loader sees it: nothing is written, and no log is replayed."""
        where = self.directory / "top"
        where.mkdir(exist_ok=True)
        options = "loop,ro,rescue=nologreplay,subvolid=5"
        with _one_at_a_time():
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


def uuid_of(disk: Path) -> str:
    return _output("blkid", "--probe", "--match-tag", "UUID", "--output", "value", str(disk)).strip()


def serving(device: str, size: int, port: int = 80) -> str:
    """What has an archive of that size, on that disk, answer."""
    server = f"python3 -m http.server --bind 127.0.0.1 --directory {PLACE} {port}"
    return (
        f"mkdir -p {PLACE} && head -c {size} {device} | tar -C {PLACE} -x"
        f" && systemd-run --quiet --unit {ARCHIVE} {server}"
        f" && bash -c 'until : > /dev/tcp/127.0.0.1/{port}; do sleep 0.2; done' 2>/dev/null && apt-get update"
    )
