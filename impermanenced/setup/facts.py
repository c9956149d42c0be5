"""The facts about a machine that its set-up depends on, as `look` finds them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..boots.kernels import Kernel


class Initrd(enum.StrEnum):
    """The programs that build initrds, which the hook has an adapter for."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    MKINITCPIO = "mkinitcpio"


class Loader(enum.StrEnum):
    """The boot loaders whose files are known."""

    GRUB = "GRUB"
    SYSTEMD_BOOT = "systemd-boot"
    EXTLINUX = "extlinux"


class Packages(enum.StrEnum):
    """The package managers whose databases are known."""

    DPKG = "dpkg"
    RPM = "rpm"
    PACMAN = "pacman"


@dataclass(frozen=True, slots=True)
class Account:
    """A user whose home exists."""

    name: str
    uid: int
    home: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A path that is to persist."""

    path: bytes
    directory: bool
    why: str
    preset: str = ""  # that declares it; "": it is declared by itself


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is mounted in the system, besides its root."""

    path: bytes
    fstype: bytes
    same: bool  # whether it is the filesystem of the root
    root: bytes  # the directory of its filesystem that is mounted there, from the top level


@dataclass(frozen=True, slots=True)
class Files:
    """What a system says of itself by its files."""

    distribution: str  # for a person; "" if nothing says it
    initrd: Initrd | None
    loader: Loader | None
    packages: Packages | None
    kernels: tuple[Kernel, ...]
    accounts: tuple[Account, ...]
    kept: tuple[Kept, ...]  # what should persist, sorted by path
    without: tuple[bytes, ...]  # what the presets of that would declare besides
    fstab: bytes
    persist: bool  # whether /persist has something in it
    menu: bool  # whether the boot menu of GRUB is to have our entries


@dataclass(frozen=True, slots=True)
class Disk:
    """What the root lies on."""

    fstype: bytes
    device: bytes
    mounted: tuple[Mounted, ...] = ()
    # Of a BTRFS only:
    fsid: str = ""
    subvolume: bytes = b""  # of the root, from the top level; b"" is the top level itself
    by_default: bool = False  # whether the root is the default subvolume, which is remembered by number
    read_only: bool = False  # whether the root is a read-only subvolume
    names: frozenset[bytes] = frozenset()  # what lies at the top level
    nested: tuple[bytes, ...] = ()  # the subvolumes nested in the root, by their paths in it
    others: tuple[bytes, ...] = ()  # the roots of other systems, from the top level
    swap_files: tuple[bytes, ...] = ()  # those in the root that are in use
    free: int = 0  # bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """A machine."""

    files: Files
    disk: Disk
    cmdline: bytes  # that it was booted with
