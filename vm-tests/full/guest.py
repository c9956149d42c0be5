"""The Debian 12 of the full tests: how it is built, and how a test speaks to it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cache
from kernel import Kernel
from machine import Disk, Machine, MachineError, overlay

HERE = Path(__file__).parent
DIST = HERE.parent.parent / "dist"
MMDEBSTRAP = [
    "mmdebstrap",
    "--quiet",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # dpkg in the machine is to install our own package whole
    '--customize-hook=rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
]


TOP = "/run/top"
BTRFS = "rootfstype=btrfs rootflags=subvol=root rw"
LUKS = "rd.luks.name=2b9a4c1e-52c7-4a5d-8f0e-6b7c3d9e1a42=crypted rd.lvm.lv=system/root"
# What a boot loader says, by the names in layouts/; the UUIDs are those that are made there.
BOOT = {
    "plain": f"root=UUID=8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de {BTRFS}",
    "as-installed": f"root=UUID=8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de {BTRFS}",
    "servers": f"root=UUID=8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de {BTRFS}",
    "raid1": f"root=UUID=c1a7e3d2-0f64-4b1e-a7c5-93d0b8e62f17 {BTRFS}",
    "lvm-on-luks": f"root=/dev/mapper/system-root {LUKS} {BTRFS}",
}
# What makes an initrd, and opens what the layouts need, by the names in initrds/.
DRACUT = ("dracut", "cryptsetup-bin", "lvm2")
PACKAGES = {
    "dracut": DRACUT,
    "dracut-without-systemd": DRACUT,
    "initramfs-tools": ("initramfs-tools", "zstd", "cryptsetup-initramfs", "lvm2"),
}
# What Debian's installer puts on a machine that is to be reached by SSH, and what a person works with.
STANDARD = ("openssh-server", "sudo", "git", "gnupg")
# What else a layout is made of, beside a minimal system.
WHOLE = {"as-installed": STANDARD, "servers": (*STANDARD, "postgresql", "redis-server")}


@dataclass(frozen=True, slots=True)
class Image:
    disks: tuple[Path, ...]
    initrd: Path
    boot: str  # the kernel command line


@dataclass(frozen=True, slots=True)
class Result:
    status: int | None
    output: str
    seconds: float


def package(release: str = "bookworm") -> Path:
    """The .deb, built in that release."""
    place, target = (DIST, "deb") if release == "bookworm" else (DIST / release, f"deb-{release}")
    found = sorted(place.glob("impermanenced_*.deb"))
    assert len(found) == 1, f"one package is wanted in {place}, there are {len(found)}: run make {target}"
    return found[0]


def base(*more: str, variant: str = "minbase", release: str = "bookworm", name: str | None = None) -> Path:
    """A Debian with all that the product depends on, and these packages, as a tar.

    `name` is what the cache has it by: of one name it keeps two.
    """
    packages = [*(HERE / "base-packages").read_text().split(), *more]
    argv = [*MMDEBSTRAP, f"--variant={variant}", f"--include={','.join(packages)}", release]

    def build(directory: Path) -> None:
        succeed([*argv, str(directory / "base.tar")])

    return cache.cached(f"{release}-{name or variant}", cache.key(*argv), build) / "base.tar"


def base_of(initrd: str, layout: str) -> Path:
    if layout in WHOLE:
        return base(*PACKAGES[initrd], *WHOLE[layout], variant="standard", name=layout)
    return base(*PACKAGES[initrd])


def image(kernel: Kernel, deb: Path | None, *, initrd: str = "dracut", layout: str = "plain") -> Image:
    """The disks and the initrd, with the package installed (None: without it)."""
    tar = base_of(initrd, layout)
    names = ("build-image", "agent.py", "config.toml", "initrds", f"layouts/{layout}")
    inputs = [*(HERE / name for name in names), *sorted(HERE.glob("*.service"))]
    key = cache.key(*inputs, initrd, str(tar), kernel.version, deb.read_bytes() if deb else b"")

    def build(directory: Path) -> None:
        argv = [HERE / "build-image", directory, tar, kernel.modules, layout, initrd, *([deb] if deb else [])]
        succeed([str(word) for word in argv])

    found = cache.cached(f"{initrd}-{layout}" if deb else "bare", key, build)
    return Image(tuple(sorted(found.glob("*.img"))), found / "initrd", BOOT[layout])


def as_disk(file: Path, directory: Path) -> Disk:
    """What is in the file, padded to sectors."""
    padded = directory / "file.img"
    content = file.read_bytes()
    padded.write_bytes(content + bytes(-len(content) % 4096))
    return Disk(padded)


def succeed(argv: list[str]) -> None:
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = result.stdout.decode(errors="replace")
    assert result.returncode == 0, f"{' '.join(argv)}: {result.returncode}\n{output[-4000:]}"


class Guest:
    """A machine with the agent in it."""

    def __init__(self, directory: Path, kernel: Kernel, image: Image, *, extra: Sequence[Disk] = ()) -> None:
        self.words = image.boot
        disks = [overlay(disk, directory / f"{disk.stem}.qcow2") for disk in image.disks]
        disks += extra
        self.machine = Machine(directory, kernel=kernel.image, initrd=image.initrd, disks=disks)

    def boot(self, extra: str = "", *, timeout: float = 300.0) -> None:
        """Power on, until systemd has finished; a degraded system is one that has booted."""
        self.power_on(extra)
        self.wait_ready(timeout)

    def power_on(self, extra: str = "") -> None:
        self.machine.start(append=f"{self.words} {extra}")

    def wait_ready(self, timeout: float = 300.0) -> None:
        self.machine.wait_report('{"ready"', timeout)
        self.run("systemctl is-system-running --wait", timeout=timeout, check=False)

    def run(
        self, script: str, *, user: str | None = None, timeout: float = 180.0, check: bool = True
    ) -> Result:
        """Run shell text in the guest as root, or as a user."""
        self.machine.say(json.dumps({"run": script, "timeout": timeout, "as": user}))
        result = Result(**json.loads(self.machine.report(timeout + 20)))
        if check and result.status != 0:
            raise MachineError(f"{script}: status {result.status}\n{result.output}")
        return result

    def json(self, script: str, *, user: str | None = None, timeout: float = 180.0) -> Any:
        """What the guest prints on standard output, as JSON."""
        return json.loads(self.run(f"{script} 2>/dev/null", user=user, timeout=timeout).output)

    # What tests of the rollback look at

    def open_top(self) -> None:
        """The top level of the filesystem at TOP."""
        device = "$(findmnt --noheadings --nofsroot --output SOURCE /)"
        self.run(f"mkdir -p {TOP} && mount -o subvolid=5 {device} {TOP}")

    def fields(self, path: str) -> dict[str, str]:
        """A KEY=value file; of a repeated key the last."""
        return dict(line.split("=", 1) for line in self.run(f"cat {path}").output.splitlines())

    def root_uuid(self) -> str:
        shown = self.run("btrfs subvolume show / | sed -n 's/^[[:space:]]*UUID:[[:space:]]*//p'")
        return shown.output.strip()

    def boot_id(self) -> str:
        return self.run("cat /proc/sys/kernel/random/boot_id").output.strip()

    # Power

    def reboot(self, extra: str = "") -> None:
        self.shutdown()
        self.boot(extra)

    def cut_power(self) -> None:
        """What the guest has not synced is lost, and nothing is unmounted."""
        self.machine.kill()

    def shutdown(self, timeout: float = 90.0) -> None:
        """An orderly end."""
        self.machine.say(json.dumps({"run": "systemctl --no-block reboot", "timeout": 10}))
        self.machine.wait_exit(timeout)
