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
ROOT_UUID = "8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de"
BOOT = f"root=UUID={ROOT_UUID} rootfstype=btrfs rootflags=subvol=root rw"
MMDEBSTRAP = [
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # dpkg in the machine is to install our own package whole
    '--customize-hook=rm "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
]


@dataclass(frozen=True, slots=True)
class Image:
    disk: Path
    initrd: Path


@dataclass(frozen=True, slots=True)
class Result:
    status: int | None
    output: str
    seconds: float


def base() -> Path:
    """Debian with all that the product depends on, as a tar."""
    packages = (HERE / "base-packages").read_text().split()

    def build(directory: Path) -> None:
        argv = [*MMDEBSTRAP, f"--include={','.join(packages)}", "bookworm", str(directory / "base.tar")]
        succeed(argv)

    return cache.cached("debian", cache.key(*MMDEBSTRAP, *packages), build) / "base.tar"


def image(kernel: Kernel, deb: Path | None) -> Image:
    """The disk and the initrd, with the package installed (None: without it)."""
    tar = base()
    names = ("build-image", "agent.py", "agent.service", "scribbler.service", "config.toml")
    inputs = [HERE / name for name in names]
    key = cache.key(*inputs, str(tar), kernel.version, deb.read_bytes() if deb else b"")

    def build(directory: Path) -> None:
        argv = [HERE / "build-image", directory, tar, kernel.modules, *([deb] if deb else [])]
        succeed([str(word) for word in argv])

    found = cache.cached("full" if deb else "bare", key, build)
    return Image(found / "disk.img", found / "initrd")


def succeed(argv: list[str]) -> None:
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = result.stdout.decode(errors="replace")
    assert result.returncode == 0, f"{' '.join(argv)}: {result.returncode}\n{output[-4000:]}"


class Guest:
    """A machine with the agent in it."""

    def __init__(self, directory: Path, kernel: Kernel, image: Image, *, extra: Sequence[Disk] = ()) -> None:
        disks = [overlay(image.disk, directory / "disk.qcow2"), *extra]
        self.machine = Machine(directory, kernel=kernel.image, initrd=image.initrd, append=BOOT, disks=disks)

    def boot(self, extra: str = "", *, timeout: float = 300.0) -> None:
        """Power on, until systemd has finished; a degraded system is one that has booted."""
        self.machine.start(append=f"{BOOT} {extra}")
        self.machine.wait_report('{"ready"', timeout)
        self.run("systemctl is-system-running --wait", timeout=timeout, check=False)

    def run(
        self, script: str, *, user: str | None = None, timeout: float = 60.0, check: bool = True
    ) -> Result:
        """Run shell text in the guest as root, or as a user."""
        self.machine.say(json.dumps({"run": script, "timeout": timeout, "as": user}))
        result = Result(**json.loads(self.machine.report(timeout + 20)))
        if check and result.status != 0:
            raise MachineError(f"{script}: status {result.status}\n{result.output}")
        return result

    def json(self, script: str, *, user: str | None = None, timeout: float = 60.0) -> Any:
        """What the guest prints on standard output, as JSON."""
        return json.loads(self.run(f"{script} 2>/dev/null", user=user, timeout=timeout).output)

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
