"""What lies under a mount: a loss only where what is mounted there lacks it.

Data that was moved to a persist volume, and mounted, often leaves its old copy beneath the mount.  The copy
goes with the next boot, and nobody misses it.  What is mounted lacks it if

    nothing is there by that name, or a thing of another type;
    or the hidden file is younger, and its content is another: it was written before the mount came.

Another content that is as old or younger is the live data, which went on after it was moved.  Directories,
and whatever else has no content, are not compared any further.  Where it cannot be told (an automount that
nothing has entered, a filesystem that another machine or program serves, a nested subvolume) it counts as
lacking.  What was adopted (`adopted`) was copied as a whole, so only what changed beneath the mount after
that is looked at.

Hard facts
    What is mounted from the volumes' own filesystem is read through the top level: that needs no mount, and
    no namespace hides it.  What is mounted from elsewhere is opened by its path, and used if the descriptor
    is on the mount that the table has; the unit of the daemon has a /tmp of its own, for one.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
from collections.abc import Mapping, Sequence

from ..kernel import mounts, openat2
from ..kernel.mounts import Mount
from ..model import FORMATS, Change, Difference, FileType, Mounted, Verdict, Volume
from ..volumes.machine import Machine
from ..volumes.mounted import AUTOMOUNT
from .adopted import adopted
from .rules import Ruling

LARGEST = 1 << 20  # bytes of a file whose content is compared
COMPARED = 1000  # files of one report
_COPIED = "it was copied into what is mounted there"

# A server or a program answers for these, or does not.
SERVED = (
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "smb",
    "virtiofs",
)


class Has(enum.StrEnum):
    """What another place has of something, in words that go on from "what is mounted there"."""

    SAME = "has it too"
    OTHER = "has another version of it, which is no older"
    OLDER = "has only an older version of it"
    NOTHING = "does not have it"
    UNTOLD = "was not looked into"
    GOES = "goes with the boot as well"


class Covered:
    """The mounts over one volume's tree, looked into as far as needed.  Close it, or use it in a `with`."""

    def __init__(self, machine: Machine, volume: Volume) -> None:
        self._machine = machine
        self._volume = volume
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.root = os.open(machine.at(volume.subvolume), flags)
        self._sides: dict[bytes, int | None] = {}
        self._table: Sequence[Mount] | None = None
        self._left = COMPARED
        self._adopted: Mapping[bytes, int] | None = None

    def close(self) -> None:
        os.close(self.root)
        for fd in self._sides.values():
            if fd is not None:
                os.close(fd)

    def __enter__(self) -> Covered:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def judge(self, difference: Difference, ruling: Ruling) -> tuple[Ruling, bool]:
        """Return the ruling on a difference, and whether a mount hides it, by what is mounted there."""
        mount = ruling.mount
        if mount is None:
            return ruling, False
        if ruling.verdict is Verdict.PERSISTED and mount.path == difference.path:
            return self._mount_point(difference, ruling, mount)
        if ruling.verdict is not Verdict.HIDDEN:
            return ruling, False
        if difference.change in (Change.DELETED, Change.METADATA):
            return ruling, True
        if self._was_copied(difference, mount):
            return ruling._replace(words=f"{ruling.words}; {_COPIED}"), True
        has = self._look(difference, mount)
        words = f"{ruling.words}; what is mounted there {has.value}"
        verdict = Verdict.HIDDEN if has in (Has.SAME, Has.OTHER) else Verdict.CRUD
        return ruling._replace(verdict=verdict, words=words), True

    def _mount_point(self, difference: Difference, ruling: Ruling, mount: Mounted) -> tuple[Ruling, bool]:
        """Judge a mount point; a file may hold something beneath what is mounted on it."""
        content = difference.type is FileType.FILE and difference.size > 0
        if not content or difference.change in (Change.DELETED, Change.METADATA):
            return ruling, False
        if self._was_copied(difference, mount) or self._look(difference, mount) is not Has.OLDER:
            return ruling, False
        words = f"hidden under the {ruling.words}; what is mounted there {Has.OLDER.value}"
        return ruling._replace(verdict=Verdict.CRUD, words=words), True

    def _was_copied(self, difference: Difference, mount: Mounted) -> bool:
        """Return whether it was adopted with what is mounted over it, and has not changed since."""
        if self._adopted is None:
            self._adopted = adopted(self._machine, self._volume)
        if mount.path not in self._adopted:
            return False
        try:
            facts = openat2.facts(self.root, self._volume.inside(difference.path))
        except OSError:
            return False
        return facts.st_ctime_ns < self._adopted[mount.path]

    def _look(self, difference: Difference, mount: Mounted) -> Has:
        if mount.fstype == AUTOMOUNT:
            return Has.UNTOLD
        if not mount.lasts:
            return Has.GOES
        side = self._side(mount)
        return Has.UNTOLD if side is None else self.has(side, difference.path[len(mount.path) :], difference)

    def has(self, side: int, path: bytes, difference: Difference) -> Has:
        """Return what a place has of a difference of the volume, `path` being relative to the place."""
        kind = FORMATS.get(difference.type)
        if kind is None:
            return Has.UNTOLD
        try:
            fd = openat2.open_path(side, path) if path else os.dup(side)
        except OSError:
            return Has.NOTHING
        try:
            there = os.fstat(fd)
            if stat.S_IFMT(there.st_mode) != kind:
                return Has.NOTHING
            if kind in (stat.S_IFREG, stat.S_IFLNK) and not self._is_same(fd, there, difference):
                return Has.OLDER if there.st_mtime_ns < difference.mtime else Has.OTHER
            return Has.SAME
        finally:
            os.close(fd)

    def _is_same(self, fd: int, there: os.stat_result, difference: Difference) -> bool:
        if difference.target is not None:
            return os.readlink(b"", dir_fd=fd) == difference.target
        if there.st_size != difference.size:
            return False
        if there.st_mtime_ns == difference.mtime or difference.size == 0:
            return True
        self._left -= 1
        if difference.size > LARGEST or self._left < 0:
            return False
        inside = self._volume.inside(difference.path)
        try:
            other = openat2.read_descriptor(fd, LARGEST)
            return openat2.read(self.root, inside, LARGEST) == other
        except OSError:
            return False

    def _side(self, mount: Mounted) -> int | None:
        """Return a descriptor of what is mounted, or None if it is not to be looked into."""
        if mount.path not in self._sides:
            self._sides[mount.path] = None
            with contextlib.suppress(OSError):
                self._sides[mount.path] = self._open(mount)
        return self._sides[mount.path]

    def _open(self, mount: Mounted) -> int | None:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        if mount.place is not None:
            return os.open(self._machine.at(mount.place), flags)
        if mount.fstype.startswith(SERVED):
            return None
        inside = self._volume.inside(mount.path)
        fd = os.open(self._volume.mountpoint.rstrip(b"/") + inside, flags)
        if self._table is None:
            self._table = mounts.read()
        number = mounts.mount_id(fd)
        if any(one.id == number and (one.device, one.root) == mount.origin for one in self._table):
            return fd
        os.close(fd)
        return None
