"""Examinations of the system around the volumes: its units, its space, how it is booted, and its kernel."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..kernel import openat2
from ..lazy import NamedTuple, regex
from ..text import size_to_text, to_text
from ..volumes.machine import Machine, system_root
from . import kernels
from .doctor import ERROR, LARGEST, WARNING, Finding
from .doctor_blank import names

UNITS = (b"impermanenced.service", b"impermanence-boot-good.service", b"impermanence-alert.service")
ROOM = 128 << 20  # bytes: a full BTRFS can neither make a snapshot nor delete one
MOST = 100  # files of a boot loader that are read

_INSTALLED = (b"usr/lib/systemd/system", b"lib/systemd/system")
_ENABLED = (b"etc/systemd/system/multi-user.target.wants", b"usr/lib/systemd/system/multi-user.target.wants")
_LOADERS = (b"boot/grub/grub.cfg", b"boot/grub2/grub.cfg", b"etc/default/grub", b"etc/kernel/cmdline")
_ENTRIES = (b"boot/loader/entries", b"efi/loader/entries", b"boot/efi/loader/entries")
_NUMBER = regex(rb"rootflags=\S*subvolid=(?!5(?:\D|$))\d+")
_VERSION = regex(r"(\d+)\.(\d+)(?:\.(\d+))?")


class Fault(NamedTuple):
    """A fault of BTRFS in released kernels that can cost a root or a blank."""

    first: tuple[int, int, int]
    fixed: tuple[int, int, int]
    what: str
    source: str


# These are told by the number of a release.  What distributions mend in kernels that keep their number cannot
# be, such as CVE-2026-46160, the log of a directory that was removed while it was open.
FAULTS = (
    Fault(
        (6, 15, 3),
        (6, 16, 1),
        "after a power cut its log may not be replayed, and the filesystem does not mount",
        "5e85262e542d in the 6.15 stable series, mended in 6.17 and 6.16.1",
    ),
)


def examine(machine: Machine) -> list[Finding]:
    """Return what is wrong around the volumes."""
    root = system_root(machine.volumes)
    if root is None:
        return list(_space(machine))
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = [*_units(fd), *_space(machine), *_by_number(fd), *_faults(root)]
    finally:
        os.close(fd)
    return found


def _units(root: int) -> Iterator[Finding]:
    for unit in UNITS:
        if not any(_exists(root, place + b"/" + unit) for place in _INSTALLED):
            continue
        name = unit.decode()
        if _target(root, b"etc/systemd/system/" + unit) == b"/dev/null":
            commands = (f"systemctl unmask {name}", f"systemctl enable {name}")
            yield Finding(WARNING, f"{name} is masked", "enable it again", commands=commands, safe=True)
        elif not any(_exists(root, place + b"/" + unit) for place in _ENABLED):
            yield Finding(
                WARNING,
                f"{name} does not start at boot",
                "enable it",
                commands=(f"systemctl enable {name}",),
                safe=True,
            )


def _space(machine: Machine) -> Iterator[Finding]:
    status = os.fstatvfs(machine.top)
    free = status.f_bavail * status.f_frsize
    if free < ROOM:
        yield Finding(
            WARNING,
            f"{size_to_text(free)} are free on the filesystem: soon no boot can make a new root",
            "see what old roots hold",
            commands=("impermanence prune --dry-run",),
        )


def _by_number(root: int) -> Iterator[Finding]:
    entries = (
        directory + b"/" + name
        for directory in _ENTRIES
        for name in names(root, directory)
        if name.endswith(b".conf")
    )
    for path in [*_LOADERS, *entries][:MOST]:
        with contextlib.suppress(OSError):
            if _NUMBER.search(openat2.read(root, path, LARGEST)):
                yield Finding(
                    ERROR,
                    f"/{to_text(path)} boots the root by subvolid=, after a rollback that of the old root",
                    "name it there: rootflags=subvol=",
                )


def _faults(root: bytes) -> Iterator[Finding]:
    releases = {os.fsencode(os.uname().release), *(one.release for one in kernels.installed(root))}
    for release in sorted(releases):
        for fault in known_faults(to_text(release)):
            yield Finding(
                WARNING,
                f"kernel {to_text(release)} has a known fault of BTRFS: {fault.what} ({fault.source})",
                f"boot one from {'.'.join(map(str, fault.fixed))} on",
            )


def known_faults(release: str) -> list[Fault]:
    """Return the faults of a release, as its number tells."""
    match = _VERSION.match(release)
    if match is None:
        return []
    version = int(match[1]), int(match[2]), int(match[3] or 0)
    return [fault for fault in FAULTS if fault.first <= version < fault.fixed]


def _exists(root: int, path: bytes) -> bool:
    with contextlib.suppress(OSError):
        openat2.facts(root, path)
        return True
    return False


def _target(root: int, path: bytes) -> bytes:
    with contextlib.suppress(OSError):
        return openat2.target(root, path)
    return b""
