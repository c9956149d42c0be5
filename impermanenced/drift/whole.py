"""A volume with everything that is nested in it.

A nested subvolume goes with the volume, and no snapshot has what is in it: all of that is new, whenever it
was written.  So each is a box that is looked into, and so are those nested in it.

A box may hold anything: containers with millions of files, or what somebody made to hide something among.  Of
what each user owns a share is listed, and a share of the time is spent on each user's boxes, root's first.
Where that was not enough, the box is `cut`, the comparison is not complete, and the difference that stands
for the box has the bytes of what is not listed.

A read-only snapshot is not looked into while that which it was taken of exists: nobody writes to it, and its
files are those of the source at an earlier time.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Iterator

import btrfsutil

from ..kernel import btrfs
from ..model import Change, Difference, FileType, Volume
from ..watch.owners import owner_of
from .compare import Drift

LISTED = 20_000  # paths of one owner that are listed
BYTES = 8 << 20  # bytes of these paths
MET = 100_000  # paths that are met in the boxes of one owner
ALL = 400_000  # paths that are met in all boxes
WEIGHED = 1_000_000  # items of trees that are looked at to weigh what is not listed


def nested_volume(volume: Volume, path: bytes, root_id: int) -> Volume:
    """Return a nested subvolume as a volume that has no blank; `path` is its place in the volume's system."""
    return volume._replace(path=path, root_id=root_id, blank=None, blank_id=None)


def _is_box(difference: Difference) -> bool:
    return difference.type is FileType.SUBVOLUME and difference.change is not Change.DELETED


class Whole:
    """The comparison of a volume with its blank, and of what is nested in it with nothing.

    The arguments are those of `Drift`, and so are the errors.
    """

    def __init__(self, fd: int, volume: Volume, base: int | None, most: int | None = None) -> None:
        self.cut: list[bytes] = []  # the paths of boxes that were not listed as a whole
        self._deeper = 0
        self._fd = fd
        self._volume = volume
        self._most = most
        self._drift = Drift(fd, volume, base, most, into=True)
        self._places = self._drift.boxes  # what the blank has in the place of each box
        self._complete = True
        self._listed: dict[int, tuple[int, int]] = {}  # by owner of a path: how many, and their bytes
        self._met: dict[int, int] = {}  # by owner of a box
        self._weighed = 0

    @property
    def complete(self) -> bool:
        """Return False once something could not be read, or was not listed."""
        return self._complete and self._drift.complete and not self.cut and not self.deeper

    @property
    def deeper(self) -> int:
        """Return how many directories were not listed because they have too long a path."""
        return self._drift.cut + self._deeper

    def differences(self) -> Iterator[Difference]:
        """Yield each name that differs, once and in no order."""
        roots: list[Difference] = []
        others: list[Difference] = []
        for difference in self._drift.differences():
            if _is_box(difference):
                (others if difference.uid else roots).append(difference)
            else:
                yield difference
        while roots or others:
            box = (roots or others).pop()
            for difference in self._box(box):
                if _is_box(difference) and difference.subvolume != box.subvolume:
                    (others if difference.uid else roots).append(difference)
                else:
                    yield difference

    def _box(self, box: Difference) -> Iterator[Difference]:
        """Yield what is in a box, and the box itself."""
        rest = 0
        if not self._admit(box):
            self.cut.append(box.path)
        elif box.subvolume is not None:
            try:
                if not self._is_copy(box.subvolume):
                    size = yield from self._contents(box, box.subvolume)
                    if self.cut and self.cut[-1] is box.path:
                        rest = self._weigh(box.subvolume) - size
            except OSError as error:
                # One that is gone by now is the next report's; one that cannot be read is ours.
                if error.errno not in (errno.ENOENT, errno.ESTALE):
                    self._complete = False
        yield box._replace(allocated=rest) if rest > 0 else box

    def _contents(self, box: Difference, number: int) -> Generator[Difference, None, int]:
        """Yield what is in a box as far as it is listed, and return the bytes of that."""
        was = self._places.pop(number, None)
        inside = nested_volume(self._volume, box.path, number)
        if was is not None:
            inside = inside._replace(blank_id=self._volume.blank_id)
        drift = Drift(self._fd, inside, None, self._most, nested=True, into=True)
        owner, size, cut = owner_of(box.uid), 0, False
        most = min(MET - self._met.get(owner, 0), ALL - sum(self._met.values()))
        for met, difference in enumerate(drift.everything(was, LISTED, max(most, 0) + 1)):
            if met >= most:
                cut = True
                break
            self._met[owner] = self._met.get(owner, 0) + 1
            if difference.type is FileType.SUBVOLUME or self._admit(difference):
                size += difference.held
                yield difference
            else:
                cut = True
        self._places |= drift.boxes
        self._complete = self._complete and drift.complete
        self._deeper += drift.cut
        if cut:
            self.cut.append(box.path)
        return size

    def _admit(self, difference: Difference) -> bool:
        """Return whether one more path of its owner is listed, and count it."""
        owner = owner_of(difference.uid)
        paths, length = self._listed.get(owner, (0, 0))
        if paths >= LISTED or length + len(difference.path) > BYTES:
            return False
        self._listed[owner] = paths + 1, length + len(difference.path)
        return True

    def _is_copy(self, number: int) -> bool:
        """Return whether a subvolume is a read-only snapshot of one that exists."""
        info = btrfsutil.subvolume_info(self._fd, number)
        if not info.flags & btrfs.BTRFS_ROOT_SUBVOL_RDONLY or not any(info.parent_uuid):
            return False
        return btrfs.by_uuid(self._fd, info.parent_uuid) is not None

    def _weigh(self, number: int) -> int:
        weight = btrfs.weigh(btrfs.Tree(self._fd, number), WEIGHED - self._weighed)
        self._weighed += weight.items
        return weight.size
