"""The look at the machine: nothing is changed, and no link of the system is followed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import btrfsutil

from ..boots import kernels
from ..boots.doctor import swap_files
from ..kernel import btrfs, mounts, openat2
from ..kernel.mounts import Mount
from ..lazy import regex
from ..paths import within
from ..state import ARCHIVE
from . import presets
from .facts import Account, Disk, Facts, Files, Initrd, Loader, Mounted, Packages
from .whitelist import PERSIST, kept

LARGEST = 1 << 20  # bytes of a table that is read
NESTED = 1000  # nested subvolumes that are named

# The builders in the order in which a system with several uses them: what it came with is replaced first.
_BUILDERS = (
    (Initrd.INITRAMFS_TOOLS, (b"usr/sbin/update-initramfs", b"usr/bin/update-initramfs")),
    (Initrd.DRACUT, (b"usr/bin/dracut", b"usr/sbin/dracut")),
    (Initrd.MKINITCPIO, (b"usr/bin/mkinitcpio", b"usr/sbin/mkinitcpio")),
)
_LOADERS = (
    (Loader.GRUB, (b"boot/grub/grub.cfg", b"boot/grub2/grub.cfg")),
    (Loader.SYSTEMD_BOOT, tuple(esp + b"/loader/loader.conf" for esp in (b"boot", b"efi", b"boot/efi"))),
    (Loader.EXTLINUX, (b"boot/extlinux/extlinux.conf", b"boot/syslinux/syslinux.cfg")),
)
_DATABASES = (
    (Packages.DPKG, (b"var/lib/dpkg/status",)),
    (Packages.RPM, (b"usr/lib/sysimage/rpm", b"var/lib/rpm")),
    (Packages.PACMAN, (b"var/lib/pacman/local",)),
)
_NAME = regex(rb'^PRETTY_NAME=(?:"([^"\n]*)"|([^\s"]*))$', re.MULTILINE)
_PERSONS = range(1000, 60000)  # uids of login.defs(5)


def look(root: bytes = b"/") -> Facts:
    """Return the facts about the system whose root is mounted there.  Raises OSError."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk = _disk(fd, root)
        return Facts(_files(fd, root, disk), disk, _cmdline())
    finally:
        os.close(fd)


def _cmdline() -> bytes:
    with open("/proc/cmdline", "rb") as stream:
        return stream.read().strip()


# Files


def _files(fd: int, root: bytes, disk: Disk) -> Files:
    accounts = tuple(_accounts(fd))
    separate = frozenset(one.path for one in disk.mounted)
    found = tuple(kept(fd, accounts, separate))
    return Files(
        distribution=_distribution(fd),
        initrd=next((one for one, paths in _BUILDERS if _any(fd, paths)), None),
        loader=next((one for one, paths in _LOADERS if _any(fd, paths)), None),
        packages=next((one for one, paths in _DATABASES if _any(fd, paths)), None),
        kernels=tuple(kernels.installed(root)),
        accounts=accounts,
        kept=found,
        without=presets.left_out(found, separate),
        fstab=_read(fd, b"etc/fstab"),
        persist=_has_content(fd, PERSIST),
        menu=_exists(fd, b"etc/grub.d/42_impermanence"),
    )


def _distribution(fd: int) -> str:
    for path in (b"etc/os-release", b"usr/lib/os-release"):
        with contextlib.suppress(OSError):
            if (match := _NAME.search(openat2.read(fd, path, LARGEST))) is not None:
                return os.fsdecode(match[1] or match[2] or b"")
    return ""


def _accounts(fd: int) -> Iterator[Account]:
    """Yield the persons of the system, and root."""
    for line in _read(fd, b"etc/passwd").splitlines():
        words = line.split(b":")
        if len(words) != 7 or not words[2].isdigit() or not words[5].startswith(b"/"):
            continue
        name, uid, home = os.fsdecode(words[0]), int(words[2]), os.path.normpath(words[5])
        if (uid == 0 or uid in _PERSONS) and home != b"/" and _is_directory(fd, home):
            yield Account(name, uid, home)


def _any(fd: int, paths: tuple[bytes, ...]) -> bool:
    return any(_exists(fd, path) for path in paths)


def _exists(fd: int, path: bytes) -> bool:
    with contextlib.suppress(OSError):
        openat2.facts(fd, path)
        return True
    return False


def _is_directory(fd: int, path: bytes) -> bool:
    with contextlib.suppress(OSError):
        os.close(openat2.open_directory(fd, path))
        return True
    return False


def _has_content(fd: int, path: bytes) -> bool:
    with contextlib.suppress(OSError):
        return bool(openat2.names(fd, path))
    return False


def _read(fd: int, path: bytes) -> bytes:
    try:
        return openat2.read(fd, path, LARGEST)
    except OSError:
        return b""


# The disk


def _disk(fd: int, root: bytes) -> Disk:
    table = mounts.read()
    number = mounts.mount_id(fd)
    mount = next(one for one in table if one.id == number)
    mounted = tuple(_mounted(table, mount, root))
    if mount.fstype != b"btrfs":
        return Disk(mount.fstype, mount.source, mounted)
    devices = [device for device in btrfs.devices(fd) if os.path.exists(device)]
    device = devices[0] if devices else mount.source
    top = mounts.open_top_level(device, writable=False)
    try:
        return _btrfs_disk(fd, top, Disk(mount.fstype, device, mounted))
    finally:
        os.close(top)


def _mounted(table: list[Mount], mount: Mount, root: bytes) -> Iterator[Mounted]:
    """Yield what is mounted below the root; of several at one place the last."""
    above = root.rstrip(b"/")
    found = {one.path[len(above) :]: one for one in table if within(one.path, root) and one.path != root}
    for path, one in sorted(found.items()):
        yield Mounted(path, one.fstype, one.device == mount.device, one.root.strip(b"/"))


def _btrfs_disk(fd: int, top: int, disk: Disk) -> Disk:
    number = int(btrfsutil.subvolume_id(fd))
    status = os.fstatvfs(fd)
    top_level = number == btrfs.BTRFS_FS_TREE_OBJECTID
    subvolume = b"" if top_level else os.fsencode(btrfsutil.subvolume_path(top, number))
    default = int(btrfsutil.get_default_subvolume(top))
    return Disk(
        fstype=disk.fstype,
        device=disk.device,
        mounted=disk.mounted,
        fsid=btrfs.fs_info(fd)[0].hex(),
        subvolume=subvolume,
        by_default=not top_level and default == number,
        read_only=bool(btrfsutil.get_subvolume_read_only(fd)),
        names=frozenset(os.fsencode(name) for name in os.listdir(top)),
        nested=tuple(_nested(top, number)),
        others=tuple(_others(top, number, subvolume)),
        swap_files=tuple(_swap_files(fd, number)),
        free=status.f_bavail * status.f_frsize,
    )


def _nested(top: int, number: int) -> Iterator[bytes]:
    """Yield the paths of the subvolumes that lie directly in the root's; sorted, and no more than NESTED."""
    tree = btrfs.Tree(top, number)
    paths = (tree.path(directory) + b"/" + name for directory, name in tree.nested().values())
    yield from sorted(paths)[:NESTED]


def _others(top: int, number: int, subvolume: bytes) -> Iterator[bytes]:
    """Yield the subvolumes that are roots of other systems: no snapshots, and with a fstab of their own."""
    uuids = {info.uuid: info for _, info in btrfsutil.SubvolumeIterator(top, top=5, info=True)}
    for path, info in btrfsutil.SubvolumeIterator(top, top=5, info=True):
        place = os.fsencode(path)
        if info.id == number or info.parent_uuid in uuids or (subvolume and within(place, subvolume)):
            continue
        if within(place, ARCHIVE) or not _is_root(top, place):
            continue
        yield place


def _swap_files(fd: int, number: int) -> Iterator[bytes]:
    """Yield the swap files in use that lie in the root itself: no snapshot of it can be taken."""
    with open("/proc/swaps", "rb") as stream:
        paths = list(swap_files(stream.read()))
    for path in paths:
        with contextlib.suppress(OSError, btrfsutil.BtrfsUtilError):  # another filesystem
            found = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                same = btrfs.fs_info(found)[0] == btrfs.fs_info(fd)[0]
                if same and btrfsutil.subvolume_id(found) == number:
                    yield path
            finally:
                os.close(found)


def _is_root(top: int, place: bytes) -> bool:
    try:
        fd = openat2.open_directory(top, place)
    except OSError:
        return False
    try:
        return _exists(fd, b"etc/fstab") and _exists(fd, b"usr")
    finally:
        os.close(fd)
