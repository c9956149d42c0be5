"""The kernels that a boot loader may start, each with its initrd: found by the names of the distributions.

    /boot/vmlinuz-RELEASE                Debian, Fedora, openSUSE (vmlinux-, Image-, kernel-)
    /boot/vmlinuz-PACKAGE                Arch: lib/modules/RELEASE/pkgbase says which release that is
    ESP/MACHINE-ID/RELEASE/linux         the Boot Loader Specification, type 1
    ESP/EFI/Linux/*.efi                  the same, type 2: kernel and initrd in one file

ESP is /boot, /efi or /boot/efi.  A system whose boot loader has other names (NixOS) yields none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..kernel import openat2, pe
from ..lazy import NamedTuple, regex
from ..model import Volume
from ..volumes.machine import Machine

MOST = 64  # kernels that are looked at; a boot partition has room for a few

MODULES = (b"lib/modules", b"usr/lib/modules")

ESPS = (b"boot", b"efi", b"boot/efi")
_IMAGE = regex(rb"(?:vmlinu[xz]|[zb]?Image|kernel)-(?!0-rescue)(\S{1,128})")
_INITRDS = (b"initrd.img-%s", b"initramfs-%s.img", b"initrd-%s", b"initrd-%s.img", b"initramfs-%s")
_TOKEN = regex(rb"[0-9a-f]{32}")
_RELEASE = regex(rb"[0-9][!-~]{0,127}")
_PART = regex(rb"([0-9]+)|([^0-9]+)")


class Kernel(NamedTuple):
    """A kernel in the place where a boot loader finds it."""

    release: bytes  # as `uname -r` of it
    image: bytes  # its path in the system
    initrd: bytes | None  # the path of its initrd, which may be the same; None: there is none


def installed(root: bytes) -> list[Kernel]:
    """Return the kernels of the system whose root is at this path, the newest first."""
    try:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        found = {kernel.image: kernel for kernel in (*_in_boot(fd), *_by_entries(fd), *_unified(fd))}
    finally:
        os.close(fd)
    return sorted(found.values(), key=lambda kernel: age(kernel.release), reverse=True)[:MOST]


def without_modules(machine: Machine) -> Iterator[tuple[Volume, Kernel]]:
    """Yield the kernels that would find no modules in the blank of the root, the newest first.

    The hook refuses the boot of such a kernel, as it does that of the one that runs, if the root has modules
    at all.  A kernel that has none in the root either is not about this root.
    """
    for volume in machine.volumes:
        if volume.path != b"/" or volume.blank is None:
            continue
        now, blank = releases(volume.mountpoint), releases(machine.at(volume.blank))
        for kernel in installed(volume.mountpoint):
            if kernel.release in now and kernel.release not in blank:
                yield volume, kernel


def releases(root: bytes) -> set[bytes]:
    """Return the releases that a root has modules of; links on the way are not followed."""
    with contextlib.suppress(OSError):
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return {name for place in MODULES for name in _names(fd, place)}
        finally:
            os.close(fd)
    return set()


def _in_boot(root: int) -> Iterator[Kernel]:
    names = set(_names(root, b"boot"))
    for name in sorted(names):
        match = _IMAGE.fullmatch(name)
        if match is None:
            continue
        initrds = (pattern % match[1] for pattern in _INITRDS)
        initrd = next((b"/boot/" + one for one in initrds if one in names), None)
        release = match[1] if _RELEASE.fullmatch(match[1]) else _of_package(root, match[1])
        if release is not None:
            yield Kernel(release, b"/boot/" + name, initrd)


def _of_package(root: int, package: bytes) -> bytes | None:
    for place in MODULES:
        for release in _names(root, place):
            with contextlib.suppress(OSError):
                if openat2.read(root, b"%s/%s/pkgbase" % (place, release), 256).strip() == package:
                    return release
    return None


def _by_entries(root: int) -> Iterator[Kernel]:
    for esp in ESPS:
        for token in filter(_TOKEN.fullmatch, _names(root, esp)):
            for release in filter(_RELEASE.fullmatch, _names(root, b"%s/%s" % (esp, token))):
                place = b"%s/%s/%s" % (esp, token, release)
                names = set(_names(root, place))
                if b"linux" in names:
                    wanted = (b"initrd", *(pattern % release for pattern in _INITRDS))
                    initrd = next((b"/%s/%s" % (place, name) for name in wanted if name in names), None)
                    yield Kernel(release, b"/%s/linux" % place, initrd)


def _unified(root: int) -> Iterator[Kernel]:
    for esp in ESPS:
        place = esp + b"/EFI/Linux"
        for name in _names(root, place):
            if name.endswith(b".efi"):
                path = b"%s/%s" % (place, name)
                release = _release_in(root, path)
                if release is not None:
                    yield Kernel(release, b"/" + path, b"/" + path)


def _release_in(root: int, path: bytes) -> bytes | None:
    with contextlib.suppress(OSError):
        release = pe.section(openat2.read(root, path, pe.LARGEST_HEAD), b".uname")
        if release is not None:
            start, size = release
            fd = os.open(b"/proc/self/fd/%d/%s" % (root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                found = os.pread(fd, min(size, 128), start).rstrip(b"\0\n")
            finally:
                os.close(fd)
            return found if _RELEASE.fullmatch(found) else None
    return None


def _names(root: int, path: bytes) -> list[bytes]:
    """Return the names in a directory, sorted; none if it is no directory or a link leads to it."""
    with contextlib.suppress(OSError):
        return openat2.names(root, path)
    return []


def age(release: bytes) -> list[tuple[int, int, bytes]]:
    """Return a key by which a later release is larger: numbers as numbers, and `~` before anything."""
    key = []
    for number, words in _PART.findall(release):
        rank = 2 if number else 0 if words.startswith(b"~") else 1
        key.append((rank, int(number[:18] or 0), words))
    return [*key, (1, -1, b"")]
