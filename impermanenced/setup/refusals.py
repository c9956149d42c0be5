"""What keeps a machine from being set up, and what can be done there instead."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ..boots import remedy
from ..boots.records import path_fault
from ..lazy import regex
from ..paths import within
from ..text import size_to_text, to_text
from .facts import Facts, Files, Initrd
from .whitelist import PERSIST

ROOM = 128 << 20  # bytes that have to be free: copies share their data, and the rest is metadata

_BUILDERS = ", ".join(Initrd)
_NEW_ROOT = "@rootfs"
_BY_NUMBER = regex(rb"(?:^|[ ,=])subvolid=(?!5(?:[ ,]|$))\d+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that is in the way, and what to do about it."""

    what: str
    hint: str
    commands: tuple[str, ...] = ()


def refusals(facts: Facts) -> tuple[Refusal, ...]:
    """Return everything that is in the way; where there is no BTRFS, nothing else is said."""
    if facts.disk.fstype != b"btrfs":
        return (_no_btrfs(facts),)
    if not facts.disk.subvolume:
        return (_top_level(facts),)
    return tuple(found for check in _CHECKS for found in check(facts))


def _no_btrfs(facts: Facts) -> Refusal:
    fstype, device = to_text(facts.disk.fstype), shlex.quote(to_text(facts.disk.device))
    what = f"/ is {fstype}, not BTRFS: it has no subvolume that could be rolled back"
    if not fstype.startswith("ext"):
        return Refusal(what, "install the system on BTRFS; nothing was changed here")
    return Refusal(
        what,
        "convert it from a rescue system, after a backup, then name BTRFS in /etc/fstab and the boot loader, "
        "and move the system into a subvolume; or install it on BTRFS",
        (f"fsck.{fstype} -f {device}", f"btrfs-convert {device}"),
    )


def _top_level(facts: Facts) -> Refusal:
    return Refusal(
        "/ is the top level of its BTRFS, which cannot be renamed: the root has to be a subvolume of its own",
        "take a snapshot as the new root, name it in its /etc/fstab and in the boot loader "
        f"(rootflags=subvol={_NEW_ROOT}, and what GRUB reads lies below /{_NEW_ROOT}/boot then), boot it, "
        "and run setup there; what stays at the top level is the old system",
        (
            remedy.mount_top(facts.disk.device),
            f"btrfs subvolume snapshot /mnt /mnt/{_NEW_ROOT}",
            f"editor /mnt/{_NEW_ROOT}/etc/fstab",
        ),
    )


def _subvolume(facts: Facts) -> Iterator[Refusal]:
    disk = facts.disk
    if fault := path_fault(disk.subvolume):
        yield Refusal(
            f"the initrd takes no subvolume {to_text(disk.subvolume)}: its path {fault}",
            "rename it, and name it anew in /etc/fstab and in the boot loader",
        )
    if disk.read_only:
        hint = "make it writable; a system that boots from read-only snapshots rolls back by itself"
        yield Refusal(
            f"the root {to_text(disk.subvolume)} is a read-only subvolume",
            hint,
            remedy.set_read_only(disk.device, disk.subvolume, value=False),
        )
    if disk.by_default and b"subvol=" not in facts.cmdline:
        name = to_text(disk.subvolume)
        yield Refusal(
            f"the root {name} is booted as the default subvolume, which BTRFS remembers by its number: after "
            "a rollback that is the old root",
            f"name it on the kernel command line (rootflags=subvol={name}), and boot",
            ("btrfs subvolume set-default 5 /",),
        )
    elif _BY_NUMBER.search(facts.cmdline):
        yield Refusal(
            "the kernel command line names the root by subvolid=, after a rollback that of the old root",
            f"name it there: rootflags=subvol={to_text(disk.subvolume)}",
        )


def _other_systems(facts: Facts) -> Iterator[Refusal]:
    if facts.disk.others:
        named = ", ".join(map(to_text, facts.disk.others))
        yield Refusal(
            f"this filesystem has another system as well: {named}. One filesystem rolls back one system",
            "delete what is given up, or move it to a filesystem of its own",
        )


def _initrd(facts: Facts) -> Iterator[Refusal]:
    files = facts.files
    if files.initrd is None:
        yield Refusal(
            f"nothing here builds initrds that the hook is made for ({_BUILDERS})",
            "install one of these; NixOS has a module (initrd/README.md)",
        )
    if not files.kernels:
        yield Refusal(
            "there is no kernel in /boot or on an EFI system partition: nobody knows what boots here",
            "mount what /boot should have; a kernel from outside the machine needs its initrd made by hand",
        )
    for kernel in files.kernels:
        if kernel.initrd is None:
            release = to_text(kernel.release)
            yield Refusal(
                f"kernel {release} has no initrd: its boot would roll nothing back",
                "build one, or remove the kernel",
                build_commands(files, kernel.release),
            )


def build_commands(files: Files, release: bytes) -> tuple[str, ...]:
    """Return the commands that build the first initrd of a kernel."""
    name = shlex.quote(to_text(release))
    match files.initrd:
        case Initrd.INITRAMFS_TOOLS:
            return (f"update-initramfs -c -k {name}",)
        case Initrd.DRACUT:
            return (f"dracut --force --kver {name}",)
        case Initrd.MKINITCPIO:
            return ("mkinitcpio -P",)
    return ()


def _swap(facts: Facts) -> Iterator[Refusal]:
    for path in facts.disk.swap_files:
        name = shlex.quote(to_text(path))
        yield Refusal(
            f"the swap file {to_text(path)} lies in the root: no snapshot can be taken while it is in use, "
            "and the next boot would have none",
            "put it into a subvolume of its own, and mount that in /etc/fstab",
            (
                f"swapoff {name} && rm {name}",
                remedy.mount_top(facts.disk.device),
                "btrfs subvolume create /mnt/swap",
                "btrfs filesystem mkswapfile --size 2g /mnt/swap/swapfile",
            ),
        )


def _persist(facts: Facts) -> Iterator[Refusal]:
    mount = next((one for one in facts.disk.mounted if one.path == PERSIST), None)
    if mount is not None and (not mount.same or not mount.root or within(mount.root, facts.disk.subvolume)):
        yield Refusal(
            "something is mounted at /persist that is no subvolume beside the root",
            "mount a subvolume of this filesystem there, or nothing",
        )
    elif mount is None and facts.files.persist:
        yield Refusal(
            "/persist has something in it, which the persist volume would hide",
            "move it to where it belongs",
        )


def _space(facts: Facts) -> Iterator[Refusal]:
    if facts.disk.free < ROOM:
        yield Refusal(
            f"{size_to_text(facts.disk.free)} are free, and {size_to_text(ROOM)} have to be",
            "make room; copies share their data with the originals, and old roots need more later",
        )


_CHECKS = (_subvolume, _other_systems, _initrd, _swap, _persist, _space)
