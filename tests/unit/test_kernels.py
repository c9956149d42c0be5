"""Where boot loaders find kernels and initrds, by the names of the distributions; and unified images."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.boots import kernels
from impermanenced.boots.kernels import Kernel
from impermanenced.kernel import pe

TOKEN = "0123456789abcdef0123456789abcdef"


def laid_out(root: Path, *paths: str) -> list[tuple[str, str, str | None]]:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return [told(kernel) for kernel in kernels.installed(os.fsencode(root))]


def told(kernel: Kernel) -> tuple[str, str, str | None]:
    initrd = None if kernel.initrd is None else os.fsdecode(kernel.initrd)
    return os.fsdecode(kernel.release), os.fsdecode(kernel.image), initrd


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["boot/vmlinuz-6.1.0-18-amd64", "boot/initrd.img-6.1.0-18-amd64", "boot/config-6.1.0-18-amd64"],
         [("6.1.0-18-amd64", "/boot/vmlinuz-6.1.0-18-amd64", "/boot/initrd.img-6.1.0-18-amd64")]),
        (["boot/vmlinuz-6.8.5-301.fc40.x86_64", "boot/initramfs-6.8.5-301.fc40.x86_64.img",
          "boot/vmlinuz-0-rescue-" + TOKEN, "boot/initramfs-0-rescue-" + TOKEN + ".img"],
         [("6.8.5-301.fc40.x86_64", "/boot/vmlinuz-6.8.5-301.fc40.x86_64",
           "/boot/initramfs-6.8.5-301.fc40.x86_64.img")]),
        (["boot/vmlinuz-6.4.0-1-default", "boot/initrd-6.4.0-1-default"],
         [("6.4.0-1-default", "/boot/vmlinuz-6.4.0-1-default", "/boot/initrd-6.4.0-1-default")]),
        (["boot/vmlinuz-6.1.0", "boot/initrd.img-6.0.0", "boot/vmlinuz.old"],
         [("6.1.0", "/boot/vmlinuz-6.1.0", None)]),
        ([f"efi/{TOKEN}/6.9.1/linux", f"efi/{TOKEN}/6.9.1/initrd", f"efi/{TOKEN}/6.9.2/x", "efi/n/6.9/linux"],
         [("6.9.1", f"/efi/{TOKEN}/6.9.1/linux", f"/efi/{TOKEN}/6.9.1/initrd")]),
        (["boot/kernels/abc-linux-6.6-bzImage", "boot/kernels/abc-initrd"], []),
        ([], []),
    ],
)  # fmt: skip
def test_names(tmp_path: Path, paths: list[str], found: list[tuple[str, str, str | None]]) -> None:
    assert laid_out(tmp_path, *paths) == found


def test_a_name_that_is_a_package(tmp_path: Path) -> None:
    for package, release in (("linux", "6.9.1-arch1-1"), ("linux-lts", "6.6.30-1-lts")):
        (tmp_path / f"usr/lib/modules/{release}").mkdir(parents=True)
        (tmp_path / f"usr/lib/modules/{release}/pkgbase").write_text(f"{package}\n")
    names = ("linux", "linux-lts", "linux-gone")
    paths = [f"boot/vmlinuz-{name}" for name in names] + [f"boot/initramfs-{name}.img" for name in names]
    assert laid_out(tmp_path, *paths) == [
        ("6.9.1-arch1-1", "/boot/vmlinuz-linux", "/boot/initramfs-linux.img"),
        ("6.6.30-1-lts", "/boot/vmlinuz-linux-lts", "/boot/initramfs-linux-lts.img"),
    ]


def test_the_newest_is_first(tmp_path: Path) -> None:
    releases = ["6.10.0", "6.9.12", "6.9.2", "6.9.2~rc1", "6.1.0-18-amd64", "6.1.0-9-amd64", "5.19"]
    found = laid_out(tmp_path, *(f"boot/vmlinuz-{release}" for release in sorted(releases)))
    assert [release for release, _, _ in found] == releases


def test_what_is_laid_in_the_way(tmp_path: Path) -> None:
    """A link out of the system, a fifo, names that are no text: nothing is waited for or followed."""
    outside = tmp_path / "outside"
    assert laid_out(outside, "boot/vmlinuz-1.0") != []
    root = tmp_path / "root"
    root.mkdir()
    (root / "boot").symlink_to(outside / "boot")
    (root / "efi").touch()
    assert laid_out(root) == []
    (root / "boot").unlink()
    (root / "boot/EFI/Linux").mkdir(parents=True)
    os.mkfifo(root / "boot/EFI/Linux/fifo.efi")
    (root / "boot/EFI/Linux/short.efi").write_bytes(b"MZ")
    (root / "boot/EFI/Linux/link.efi").symlink_to("/dev/zero")
    os.close(os.open(os.fsencode(root) + b"/boot/vmlinuz-\xff 1", os.O_CREAT | os.O_CLOEXEC))
    assert laid_out(root) == []
    assert kernels.installed(os.fsencode(tmp_path / "nothing")) == []


def image(sections: dict[bytes, bytes]) -> bytes:
    """A PE image with these sections."""
    start, optional = 0x80, 16
    head = bytearray(b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", start)).ljust(start, b"\0")
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, optional, 0) + bytes(optional)
    place = len(head) + 40 * len(sections)
    content = b""
    for name, data in sections.items():
        padded = data.ljust(-(-len(data) // 64) * 64, b"\0")
        offset = place + len(content)
        head += struct.pack("<8sIIII16x", name, len(data), 0, len(padded), offset)
        content += padded
    return bytes(head) + content


def test_a_unified_image(tmp_path: Path) -> None:
    file = tmp_path / "boot/efi/EFI/Linux/debian.efi"
    file.parent.mkdir(parents=True)
    file.write_bytes(image({b".osrel": b"ID=debian\n", b".uname": b"6.1.0-18-amd64", b".initrd": b"x" * 100}))
    path = "/boot/efi/EFI/Linux/debian.efi"
    assert laid_out(tmp_path) == [("6.1.0-18-amd64", path, path)]
    file.write_bytes(image({b".uname": b"\x1b[31m"}))
    assert laid_out(tmp_path) == []


@given(st.binary(max_size=300), st.integers(0, 400))
def test_an_image_that_is_broken_anywhere(noise: bytes, at: int) -> None:
    whole = image({b".uname": b"6.1.0", b".initrd": b"x"})
    for broken in (noise, b"MZ" + noise, whole[:at], whole[:at] + noise + whole[at + len(noise) :]):
        found = pe.section(broken, b".uname")
        assert found is None or all(number >= 0 for number in found)
