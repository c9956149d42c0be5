"""The mark of a good boot: the empty file boots/N.good, by which the hook counts boots that did
not complete.

Nothing here reads the configuration: a mistake in it must not make a boot a bad one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..errors import ImpermanenceError, RecordError
from ..kernel import btrfs, mounts
from ..kernel.mounts import Mount
from ..state import RESULT, RUN, BootFile, boot_file
from ..text import to_text
from . import records
from .records import BootRecord


def result(path: bytes = RUN + b"/" + RESULT) -> BootRecord | None:
    """Return the result of the hook's last run, or None if there was none.  Raises RecordError."""
    try:
        with open(path, "rb") as stream:
            return records.parse_record(stream.read(records.LARGEST + 1), path)
    except FileNotFoundError:
        return None


def mark(boot: BootRecord | None, boot_id: str) -> int | None:
    """Create the mark, and return the number of this boot, or None if the hook has no record of it."""
    if boot is None or boot.number is None or boot.boot_id != boot_id:
        return None
    with top_level(boot) as top:
        _touch(top, boot_file(boot.number, BootFile.GOOD))
    return boot.number


@contextlib.contextmanager
def top_level(boot: BootRecord) -> Iterator[int]:
    """Yield a descriptor on the top level of the filesystem that has the record of this boot.

    Raises ImpermanenceError if that is on no mounted filesystem.
    """
    for device in _devices(boot):
        top = mounts.open_top_level(device)
        try:
            name = None if boot.number is None else boot_file(boot.number, BootFile.RECORD)
            if name is not None and _is_of(top, name, boot.boot_id):
                yield top
                return
        finally:
            os.close(top)
    what = "this boot" if boot.number is None else f"boot {boot.number}"
    raise ImpermanenceError(f"the record of {what} is on no mounted filesystem")


@contextlib.contextmanager
def top_level_of(mountpoint: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield a descriptor on the top level of the BTRFS mounted there, and the path of the mounted
    subvolume.

    Raises ImpermanenceError if no BTRFS is mounted there.
    """
    mount = next((mount for mount in reversed(mounts.read()) if mount.path == mountpoint), None)
    device = _device(mount) if mount is not None and mount.fstype == b"btrfs" else None
    if mount is None or device is None:
        raise ImpermanenceError(f"no BTRFS is mounted at {to_text(mountpoint)}")
    top = mounts.open_top_level(device)
    try:
        yield top, mount.root.strip(b"/")
    finally:
        os.close(top)


def _devices(boot: BootRecord) -> list[bytes]:
    """Return one device of every filesystem on which a volume of this boot is mounted."""
    roots = {b"/" + volume.subvolume for volume in boot.volumes}
    found = {}
    for mount in mounts.read():
        ours = mount.fstype == b"btrfs" and mount.root in roots and mount.device not in found
        if ours and (device := _device(mount)) is not None:
            found[mount.device] = device
    return list(found.values())


def _device(mount: Mount) -> bytes | None:
    fd = os.open(mount.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if mounts.mount_id(fd) != mount.id:  # something else is mounted over it
            return None
        # The name in mountinfo may have existed only in the initrd.
        return next((name for name in btrfs.devices(fd) if os.path.exists(name)), None)
    finally:
        os.close(fd)


def _is_of(top: int, name: bytes, boot_id: str) -> bool:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except FileNotFoundError:
        return False
    with open(fd, "rb") as stream:
        content = stream.read(records.LARGEST + 1)
    try:
        return records.parse_record(content, name).boot_id == boot_id
    except RecordError:
        return False


def _touch(top: int, name: bytes) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=top)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
