"""The volumes of this machine: the configured subvolumes, their blanks, and what is mounted inside them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence

import btrfsutil

from ..config.load import VolumeSettings
from ..errors import NotPermitted, NotSetUp
from ..kernel import btrfs, mounts
from ..kernel.btrfs import superblock
from ..kernel.mounts import Mount
from ..model import Volume
from ..state import STATE
from ..text import to_text
from .lineage import Subvolume, baseline

# Usual names of blanks, for a subvolume called NAME in DIRECTORY.
_BLANK_NAMES = (
    b"{directory}{name}-blank",
    b"{directory}{name}_blank",
    b"{directory}blank-{name}",
    b"snapshots/{name}-blank",
    b"@snapshots/{name}-blank",
)
# Further ones for the root's blank, whatever the root is called.
_ROOT_BLANK_NAMES = (
    b"root-blank",
    b"@root-blank",
    b"@blank",
    b"blank",
    b"@snapshots/@blank",
    b"snapshots/blank",
)

_CONFIG_HINT = "every command takes --config FILE; see impermanence-config(5)"


class Machine:
    """The BTRFS that holds the volumes, open at its top level.  Close it, or use it in a `with`."""

    def __init__(self, settings: Sequence[VolumeSettings], *, writable: bool = True) -> None:
        """Find the volumes and open the top level; change nothing.

        Unless it is `writable`, nothing can be changed through this but what lies in the state directory.

        Raises NotSetUp or NotPermitted with what is missing, and OSError.
        """
        if os.geteuid() != 0:
            raise NotPermitted(
                "reading the filesystem's trees needs root",
                "run it as root, or start impermanenced.service and ask again",
            )
        self.top = self._state = -1
        self._writable = writable
        self.filesystem = b""
        self.device = b""
        try:
            self.volumes = tuple(self._find(one) for one in settings)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for fd in (self.top, self._state):
            if fd >= 0:
                os.close(fd)
        self.top = self._state = -1

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, path: bytes) -> bytes:
        """Return a path that the standard library can use for something below the top level, while this is
        open.
        """
        return b"/proc/self/fd/%d/%s" % (self.top, path)

    def has_state(self) -> bool:
        """Return whether the state directory exists.  Raises NotSetUp if something else has its name."""
        state = self.at(STATE)
        if not os.path.lexists(state):
            return False
        if os.path.islink(state) or not btrfsutil.is_subvolume(state):
            raise NotSetUp(f"{to_text(STATE)} at the top level is not a subvolume", "move it away")
        return True

    def state(self) -> int:
        """Return a descriptor of the state directory, which must exist, through which it can be written.

        It stays this object's.  Where the top level is read-only, the directory is a mount of its own.
        """
        if self._state < 0:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(STATE, flags, dir_fd=self.top)
            if self._writable:
                self._state = fd
                return fd
            try:
                with _btrfs_errors(STATE):
                    number = btrfsutil.subvolume_id(fd)
            finally:
                os.close(fd)
            self._state = mounts.open_subvolume(self.device, number, writable=True)
        return self._state

    def in_state(self, path: bytes) -> bytes:
        """Return a path that the standard library can use to write something in the state directory, while
        this is open; `path` is from the top level.
        """
        if self._writable:
            return self.at(path)
        return b"/proc/self/fd/%d/%s" % (self.state(), path.removeprefix(STATE + b"/"))

    def is_subvolume(self, path: bytes) -> bool:
        """Return whether a path from the top level is a subvolume, and no link to one."""
        place = self.at(path)
        return os.path.isdir(place) and not os.path.islink(place) and bool(btrfsutil.is_subvolume(place))

    def size(self) -> int:
        """Return the size of the filesystem in bytes, used or not."""
        status = os.fstatvfs(self.top)
        return status.f_blocks * status.f_frsize

    def used(self) -> int:
        """Return how many bytes of the filesystem are used, whatever for."""
        status = os.fstatvfs(self.top)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def subvolume(self, root_id: int) -> Subvolume:
        """Return what is known of the subvolume with this id.  Raises OSError if there is none."""
        with _btrfs_errors(b"subvolume %d" % root_id):
            info = btrfsutil.subvolume_info(self.top, root_id)
        return _subvolume(info)

    def baseline(self, volume: Volume) -> int | None:
        """Return the last transaction up to which a volume and its blank share everything, or None.

        None means that there is no blank, or that the volume does not descend from it.
        """
        if volume.blank_id is None:
            return None
        mine, blank = self.subvolume(volume.root_id), self.subvolume(volume.blank_id)
        # Most volumes are snapshots of their blank; only for others all subvolumes must be read.
        base = baseline(mine, blank, {mine.uuid: mine, blank.uuid: blank})
        return baseline(mine, blank, self.subvolumes()) if base is None else base

    def subvolumes(self) -> dict[bytes, Subvolume]:
        """Return what is known of every subvolume but the top level, by UUID."""
        with _btrfs_errors(b"the list of subvolumes"):
            infos = (info for _, info in btrfsutil.SubvolumeIterator(self.top, top=5, info=True))
            return {info.uuid: _subvolume(info) for info in infos}

    def nested(self, root_id: int) -> frozenset[int]:
        """Return the ids of the subvolumes below one, at any depth."""
        found: set[int] = set()
        waiting = [root_id]
        while waiting:
            children = btrfs.Tree(self.top, waiting.pop()).nested().keys() - found
            found |= children
            waiting.extend(children)
        return frozenset(found)

    def holder(self, root_id: int) -> tuple[Volume, bytes] | None:
        """Return the volume that a subvolume is nested in, and its path from there, or None.

        Raises OSError if it is gone.
        """
        volumes = {volume.root_id: volume for volume in self.volumes}
        names: list[bytes] = []
        seen: set[int] = set()  # one that is moved meanwhile may be met twice
        while root_id not in volumes and root_id not in seen:
            seen.add(root_id)
            with _btrfs_errors(b"subvolume %d" % root_id):
                parent = btrfsutil.subvolume_info(self.top, root_id).parent_id
            if not parent:
                return None
            tree = btrfs.Tree(self.top, parent)
            if (place := tree.nested().get(root_id)) is None:
                return None
            names.append(tree.path(place[0]) + b"/" + place[1])
            root_id = parent
        volume = volumes.get(root_id)
        return None if volume is None else (volume, b"".join(reversed(names)))

    def nested_paths(self, root_id: int) -> list[bytes]:
        """Return the paths from the top level of the subvolumes below one, at any depth, sorted.

        Such a path may be longer than PATH_MAX.
        """
        with _btrfs_errors(b"subvolume %d" % root_id):
            paths = {root_id: b"/" + os.fsencode(btrfsutil.subvolume_path(self.top, root_id))}
        waiting = [root_id]
        while waiting:
            number = waiting.pop()
            tree = btrfs.Tree(self.top, number)
            for child, (directory, name) in tree.nested().items():
                if child not in paths:
                    paths[child] = paths[number] + tree.path(directory) + b"/" + name
                    waiting.append(child)
        del paths[root_id]
        return sorted(path[1:] for path in paths.values())

    def sync(self) -> None:
        """Commit what is only in memory, so that the trees have it."""
        with _btrfs_errors(b"sync"):
            btrfsutil.sync(self.top)

    def _find(self, settings: VolumeSettings) -> Volume:
        where = to_text(settings.mountpoint)
        try:
            fd = os.open(settings.mountpoint, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotSetUp(f"{where}: {error.strerror}", "mount the volume there first") from None
        try:
            mount = _mount_of(fd)
            if mount.fstype != b"btrfs":
                raise NotSetUp(
                    f"{where} is {to_text(mount.fstype)}, not BTRFS: there is no subvolume to roll back",
                    _CONFIG_HINT,
                )
            with _btrfs_errors(settings.mountpoint):
                root_id = btrfsutil.subvolume_id(fd)
            if root_id == btrfs.BTRFS_FS_TREE_OBJECTID:
                raise NotSetUp(
                    f"{where} is the top level of its BTRFS, not a subvolume: it cannot be rolled back",
                    "move the system into a subvolume and mount it with subvol=",
                )
            self._open(fd, where)
            with _btrfs_errors(settings.mountpoint):
                subvolume = os.fsencode(btrfsutil.subvolume_path(self.top, root_id))
        finally:
            os.close(fd)
        if mount.path != settings.mountpoint or mount.root != b"/" + subvolume:
            raise NotSetUp(
                f"{where} is not where a subvolume is mounted, but a directory of {to_text(subvolume)}",
                "name the mount point of the subvolume",
            )
        if settings.subvolume is not None and settings.subvolume != subvolume:
            raise NotSetUp(
                f"{where} is mounted from {to_text(subvolume)}, "
                f"not from {to_text(settings.subvolume)} as configured",
                _CONFIG_HINT,
            )
        path = settings.path or settings.mountpoint
        blank = self._blank(settings, subvolume, is_root=path == b"/")
        return Volume(
            name=settings.name or to_text(os.path.basename(subvolume)),
            mountpoint=settings.mountpoint,
            path=path,
            subvolume=subvolume,
            root_id=root_id,
            blank=blank[0] if blank else None,
            blank_id=blank[1] if blank else None,
        )

    def _open(self, fd: int, where: str) -> None:
        filesystem, _ = btrfs.fs_info(fd)
        if self.top >= 0:
            if filesystem != self.filesystem:
                raise NotSetUp(f"{where} is on another filesystem than the volume before it", _CONFIG_HINT)
            return
        self.filesystem = filesystem
        devices = btrfs.devices(fd)
        for device in _seeds_last(devices):
            # The kernel's name for a device need not exist in this namespace, nor be the first.
            with contextlib.suppress(FileNotFoundError):
                self.top = mounts.open_top_level(device, writable=self._writable)
                self.device = device
                return
        named = ", ".join(to_text(device) for device in devices) or "no device"
        raise NotSetUp(f"{where}: its device is not to be found ({named})", "is /dev complete?")

    def _blank(
        self, settings: VolumeSettings, subvolume: bytes, *, is_root: bool
    ) -> tuple[bytes, int] | None:
        """Return path and id of the volume's blank, or None if it is rolled back to an empty subvolume."""
        if settings.blank == b"":
            return None
        if settings.blank is not None:
            return settings.blank, self._blank_id(settings.blank)
        directory, name = os.path.split(subvolume)
        directory = directory + b"/" if directory else b""
        names = [
            pattern.replace(b"{directory}", directory).replace(b"{name}", name) for pattern in _BLANK_NAMES
        ]
        for path in (*names, *(_ROOT_BLANK_NAMES if is_root else ())):
            with contextlib.suppress(NotSetUp):
                return path, self._blank_id(path)
        return None

    def _blank_id(self, path: bytes) -> int:
        what = f"blank {to_text(path)}"
        hint = 'name the read-only snapshot to go back to, or blank = "" for an empty one'
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.top)
        except FileNotFoundError:
            raise NotSetUp(f"{what} does not exist at the top level", hint) from None
        except NotADirectoryError:
            raise NotSetUp(f"{what} is not a subvolume", hint) from None
        except OSError as error:
            raise NotSetUp(f"{what}: {error.strerror}", hint) from None
        try:
            if os.fstat(fd).st_ino != btrfs.BTRFS_FIRST_FREE_OBJECTID or not btrfsutil.is_subvolume(fd):
                raise NotSetUp(f"{what} is not a subvolume", hint)
            return int(btrfsutil.subvolume_id(fd))
        except btrfsutil.BtrfsUtilError:
            raise NotSetUp(f"{what} is not a subvolume", hint) from None
        finally:
            os.close(fd)


def system_root(volumes: Sequence[Volume]) -> bytes | None:
    """Return where the "/" of the volumes' system is mounted, or None if it is not mounted here."""
    for volume in volumes:
        if volume.path == b"/":
            return volume.mountpoint
    return b"/" if all(volume.path == volume.mountpoint for volume in volumes) else None


def _mount_of(fd: int) -> Mount:
    number = mounts.mount_id(fd)
    for mount in mounts.read():
        if mount.id == number:
            return mount
    raise OSError(errno.ENOENT, "mount is not in mountinfo")


def _seeds_last(devices: list[bytes]) -> list[bytes]:
    """Return the devices with those at the end that would mount the seed, not what grew on it."""
    seeds = []
    for device in devices if len(devices) > 1 else ():
        with contextlib.suppress(OSError):  # the kernel's name for a device need not exist here
            found = superblock.read(device)
            if found is not None and found.seeding:
                seeds.append(device)
    return [*(device for device in devices if device not in seeds), *seeds]


def _subvolume(info: btrfsutil.SubvolumeInfo) -> Subvolume:
    return Subvolume(info.id, info.uuid, info.parent_uuid, info.otransid, info.ctransid, info.generation)


@contextlib.contextmanager
def _btrfs_errors(what: bytes) -> Iterator[None]:
    """Turn btrfsutil's error, an OSError without a path, into one that carries `what`."""
    try:
        yield
    except btrfsutil.BtrfsUtilError as error:
        raise OSError(error.errno or errno.EIO, f"{error.strerror}", what) from error
