"""The places of persist volumes: one that lies in a volume is wiped, with all that is declared.

Hard facts
    The mount that a descriptor is on, and the directory of the filesystem that is mounted there, say which
    part of the filesystem it is in; neither needs a privilege.
    A subvolume nested in a volume goes where the volume goes, whether it is reached through the volume's
    mount or mounted elsewhere as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from ..kernel import mounts, openat2
from ..kernel.mounts import Mount
from ..lazy import NamedTuple
from ..model import Volume
from ..paths import within
from ..text import to_text
from .machine import system_root
from .mounted import AUTOMOUNT


class Misplaced(NamedTuple):
    """A persist volume that the next boot wipes."""

    persist: bytes  # its path in the system that it belongs to
    volume: str  # the name of the volume that it lies in
    place: bytes  # where that is, a path from the top level

    @property
    def words(self) -> str:
        """Return what is wrong, for a person."""
        return (
            f"{to_text(self.persist)} is no volume of its own: it lies in volume {self.volume} "
            f"(as {to_text(self.place)}), and the next boot takes it away with all that is declared"
        )

    @property
    def hint(self) -> str:
        """Return what to do about it."""
        path = to_text(self.persist)
        return f"make a subvolume beside the volume, move what is in {path} there, and mount it at {path}"


def misplaced(persist: Iterable[bytes], volumes: Sequence[Volume]) -> list[Misplaced]:
    """Return the persist volumes that lie in one of the volumes, as this mount namespace shows them.

    One that does not exist or cannot be looked up is left out, and so is an empty directory in a system that
    does not run: what is mounted there when it runs, nobody knows.  An automount that nothing has entered is
    not entered here either.
    """
    root = system_root(volumes)
    if root is None:
        return []
    runs = root == b"/"
    table = mounts.read()
    found: list[Misplaced] = []
    for path in persist:
        if _waits(root.rstrip(b"/") + path, table):
            continue
        try:
            fd = _open(root, path, runs=runs)
        except OSError:
            continue
        try:
            if runs or os.listdir(b"/proc/self/fd/%d" % fd):
                found.extend(_inside(path, fd, volumes, table))
        except OSError:
            continue
        finally:
            os.close(fd)
    return found


def _waits(path: bytes, table: list[Mount]) -> bool:
    """Return whether looking the path up would have something mounted there."""
    top = [mount.fstype for mount in table if within(path, mount.path)]
    return bool(top) and top[-1] == AUTOMOUNT.encode()


def _open(root: bytes, path: bytes, *, runs: bool) -> int:
    """Return a descriptor of a persist volume; in a foreign system no link leads out of it."""
    if runs:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    above = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return openat2.open_directory(above, path)
    finally:
        os.close(above)


def _inside(path: bytes, fd: int, volumes: Sequence[Volume], table: list[Mount]) -> Iterator[Misplaced]:
    number = mounts.mount_id(fd)
    mount = next((mount for mount in table if mount.id == number), None)
    if mount is None:
        return
    shown = os.readlink(b"/proc/self/fd/%d" % fd)
    below = shown[len(mount.path.rstrip(b"/")) :]
    place = (mount.root.rstrip(b"/") + below).strip(b"/")
    for volume in volumes:
        own = [one.device for one in table if one.path == volume.mountpoint]
        if own and own[-1] == mount.device and within(place, volume.subvolume):
            yield Misplaced(path, volume.name, place)
