"""Debian's own kernel for the machines: the package is downloaded and unpacked, not installed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cache

META = "linux-image-cloud-amd64"
# How Debian packs kernels: 12, 13.
PACKED = {b"\x02\x21\x4c\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True, slots=True)
class Kernel:
    version: str  # as in `uname -r`
    image: Path  # what QEMU boots
    modules: Path  # the directory /lib/modules/<version>

    def closure(self, *names: str) -> list[Path]:
        """The module files that `names` need, in the order in which insmod wants them.

        A name that is built into the kernel needs no file.
        """
        needs: dict[str, list[str]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
        by_name = {_module_name(path): path for path in needs}
        builtin = {_module_name(path) for path in (self.modules / "modules.builtin").read_text().split()}
        order: list[str] = []
        for name in names:
            if name.replace("-", "_") in builtin:
                continue
            path = by_name[name.replace("-", "_")]
            order += [need for need in [*reversed(needs[path]), path] if need not in order]
        return [self.modules / path for path in order]


def _module_name(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _output(*argv: str, cwd: Path | None = None) -> str:
    result = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{argv}: {result.stderr}"
    return result.stdout


def _candidate() -> tuple[str, str]:
    """The real package behind the meta package, and the version apt would download."""
    try:
        depends = _output("apt-cache", "depends", META)
        package = re.search(r"Depends: (linux-image-\S+)", depends)
        assert package
    except AssertionError:
        _output("apt-get", "update", "--quiet")
        package = re.search(r"Depends: (linux-image-\S+)", _output("apt-cache", "depends", META))
        assert package, f"apt knows no {META}"
    policy = re.search(r"Candidate: (\S+)", _output("apt-cache", "policy", package[1]))
    assert policy, f"apt knows no version of {package[1]}"
    return package[1], policy[1]


def fetch() -> Kernel:
    package, version = _candidate()

    def build(directory: Path) -> None:
        try:
            _output("apt-get", "download", f"{package}={version}", cwd=directory)
        except AssertionError:  # the lists are older than the archive
            _output("apt-get", "update", "--quiet")
            _output("apt-get", "download", package, cwd=directory)
        (deb,) = directory.glob("*.deb")
        _output("dpkg-deb", "--extract", str(deb), str(directory))
        deb.unlink()
        (image,) = (directory / "boot").glob("vmlinuz-*")
        (modules,) = (directory / "lib/modules").iterdir()
        _output("depmod", "--basedir", str(directory), modules.name)
        (directory / "vmlinux").write_bytes(unpacked(image.read_bytes()))

    found = cache.cached("kernel", cache.key(package, version, Path(__file__)), build)
    (modules,) = (found / "lib/modules").iterdir()
    return Kernel(modules.name, found / "vmlinux", modules)


def unpacked(image: bytes) -> bytes:
    """The ELF inside a bzImage: QEMU enters it directly (PVH), without the slow unpacking."""
    for magic, program in PACKED.items():
        start = image.find(magic)
        if start > 0:
            # What follows the packed kernel makes it complain, after it has written all of the kernel.
            result = subprocess.run([program, "-dc"], input=image[start:], capture_output=True, check=False)
            if result.stdout.startswith(b"\x7fELF"):
                return result.stdout
    raise AssertionError(f"the kernel image is packed with none of {', '.join(PACKED.values())}")
