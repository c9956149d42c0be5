"""/boot beside an update: a boot loader reads it before the wipe, so the running system's is brought along.

Where /boot lies in the root, the release has its own, and what the update changed there is copied into the
running one once the release is the blank.  Where /boot is a filesystem of its own, the update works on a copy
in the release, which goes the same way; a release that is taken back has its kernels so.  For one without a
copy it stays as it is (`bootable.is_followed`).  An update that fails leaves /boot as it was.

The links that Debian makes in / for loaders with a fixed name (/vmlinuz, /initrd.img) go the same way.

A file is replaced in one step, kernels and initrds before what names them.  A cut in between leaves the old
kernel, for which the release has modules still, or the new one, for which it has them too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import copying
from ..errors import ImpermanenceError
from ..kernel import libc, openat2
from ..kernel.mounts import mount_id
from ..model import Difference, FileType
from . import copies

BOOT = b"boot"
_MENUS = (b"/boot/grub/", b"/boot/grub2/", b"/boot/loader/", b"/boot/extlinux/")
_CONFIGURATION = (b"/boot/grub/grub.cfg", b"/boot/grub2/grub.cfg", b"/boot/extlinux/extlinux.conf")
_ENTRIES = b"/boot/loader/entries"
_LINKS = frozenset((b"/vmlinuz", b"/vmlinuz.old", b"/initrd.img", b"/initrd.img.old"))
_SUFFIX = b".impermanence-new"
_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True)
class Brought:
    """What is otherwise in the running /boot now, or among the links to it."""

    paths: tuple[bytes, ...] = ()  # that it has from the release
    removed: tuple[bytes, ...] = ()  # that the release does not have


@dataclass(frozen=True, slots=True)
class Copied:
    """The names that a /boot of its own had when it was copied into the release."""

    names: frozenset[bytes]


def is_own(live: int) -> bool:
    """Return whether the /boot of the system at a descriptor is a filesystem of its own."""
    try:
        fd = openat2.open_directory(live, BOOT)
    except OSError:
        return False
    try:
        return mount_id(fd) != mount_id(live)
    finally:
        os.close(fd)


def fill(live: int, release: int) -> Copied | None:
    """Copy a /boot of its own into a release, for the update to work on; None where it lies in the root."""
    if not is_own(live):
        return None
    with _boot(live) as source, _boot(release) as target:
        names = frozenset(_own_names(source))
        for name in names:
            copying.copy(source, name, target, name)
        return Copied(names)


def names(release: int) -> frozenset[bytes]:
    """Return the names in the /boot of a release."""
    return frozenset(openat2.names(release, BOOT))


def mend(release: int, staged: bytes, subvolume: bytes) -> list[bytes]:
    """Name the volume in the boot menus of a release, in place of where the release was made; return the
    files.

    A program that looks where its root is finds the place in staging/.
    """
    mended = []
    for path in (*_CONFIGURATION, *_entries(release)):
        with contextlib.suppress(FileNotFoundError):
            content = openat2.read(release, path, _LARGEST)
            if staged in content:
                fd = openat2.open_path(release, path)
                try:
                    with open(b"/proc/self/fd/%d" % fd, "wb") as stream:
                        stream.write(content.replace(staged, subvolume))
                finally:
                    os.close(fd)
                mended.append(path)
    return mended


def _entries(root: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        yield from (_ENTRIES + b"/" + name for name in openat2.names(root, _ENTRIES))


def changes_of(changes: Iterable[Difference]) -> list[Difference]:
    """Return those of the differences between two releases that are about files in /boot or links to them."""
    return [
        one
        for one in changes
        if one.path in _LINKS or (one.path.startswith(b"/boot/") and one.type is not FileType.DIRECTORY)
    ]


def bring(live: int, release: int, changes: Iterable[Difference], gone: Iterable[bytes] = ()) -> Brought:
    """Bring what a release has in /boot otherwise than the one before into the running system; return what
    that was.

    `gone` are names in /boot that went.  Raises OSError, and ImpermanenceError for a link on the way.
    """
    paths = {one.path for one in changes} | {b"/boot/" + name for name in gone}
    order = sorted(paths, key=lambda path: (path.startswith(_MENUS) or path in _LINKS, path))
    there = [path for path in order if _is_there(release, path)]
    done = [path for path in there if not _is_same(release, live, path)]
    for path in done:
        _replace(live, release, path)
    removed = [path for path in reversed(order) if path not in there and _is_there(live, path)]
    for path in removed:
        copies.one(release, live, path)
    return Brought(tuple(done), tuple(removed))


def _replace(target: int, source: int, path: bytes) -> None:
    """Make a file below one root what it is below another, in one step."""
    above, _, name = path.strip(b"/").rpartition(b"/")
    copies.make_above(source, target, above)
    with openat2.directory(source, above) as there, openat2.directory(target, above) as here:
        new = name + _SUFFIX
        copying.copy(there, name, here, new)
        libc.syncfs(here)
        os.rename(new, name, src_dir_fd=here, dst_dir_fd=here)
        libc.syncfs(here)


def refuse_no_room(live: int, release: int) -> None:
    """Raise ImpermanenceError if a /boot of its own has no room for what the copy in the release has more."""
    with _boot(live) as target, _boot(release) as source:
        need = sum(
            openat2.facts(source, path).st_size
            for path in _files(source)
            if not _is_same(source, target, path)
        )
        free = os.fstatvfs(target)
        if need > free.f_bavail * free.f_frsize:
            raise ImpermanenceError("/boot has no room for the kernels of the update; nothing was changed",
                                    "remove a kernel that is not needed")  # fmt: skip


@contextlib.contextmanager
def _boot(root: int) -> Iterator[int]:
    with openat2.directory(root, BOOT) as fd:
        yield fd


def _own_names(boot: int) -> Iterator[bytes]:
    """Yield the names in /boot that no other filesystem is mounted at."""
    mine = os.fstat(boot).st_dev
    for text in os.listdir(boot):
        if os.stat(text, dir_fd=boot, follow_symlinks=False).st_dev == mine:
            yield os.fsencode(text)


def _files(boot: int) -> Iterator[bytes]:
    """Yield the paths of what is in /boot and no directory."""
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        for name in openat2.names(boot, directory or b"."):
            path = (directory + b"/" + name).lstrip(b"/")
            if stat.S_ISDIR(openat2.facts(boot, path).st_mode):
                waiting.append(path)
            else:
                yield path


def _is_same(source: int, target: int, path: bytes) -> bool:
    try:
        one, other = openat2.facts(source, path), openat2.facts(target, path)
        if stat.S_ISLNK(one.st_mode) and stat.S_ISLNK(other.st_mode):
            return openat2.target(source, path) == openat2.target(target, path)
    except OSError:
        return False
    if (one.st_size, int(one.st_mtime), one.st_mode) != (other.st_size, int(other.st_mtime), other.st_mode):
        return False
    if one.st_mtime_ns == other.st_mtime_ns or one.st_size > _LARGEST or not stat.S_ISREG(one.st_mode):
        return True
    # Written anew in the same second, or on a filesystem that has no finer times.
    return openat2.read(source, path, _LARGEST) == openat2.read(target, path, _LARGEST)


def _is_there(root: int, path: bytes) -> bool:
    try:
        openat2.facts(root, path)
    except OSError:
        return False
    return True
