"""The slow and certain answer: walk both trees and compare everything that is there."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from impermanenced.drift.describe import ASKED_FLAGS  # the one list of what counts
from impermanenced.model import Change, Difference, FileType

TYPES = {
    stat.S_IFREG: FileType.FILE,
    stat.S_IFDIR: FileType.DIRECTORY,
    stat.S_IFLNK: FileType.SYMLINK,
    stat.S_IFIFO: FileType.FIFO,
    stat.S_IFSOCK: FileType.SOCKET,
    stat.S_IFBLK: FileType.BLOCK,
    stat.S_IFCHR: FileType.CHAR,
}
FS_IOC_GETFLAGS = 0x80086601
# linux/fs.h: SYNC IMMUTABLE APPEND NODUMP NOATIME DIRSYNC NOCOW COMPR
VISIBLE_FLAGS = 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000 | 0x800000 | 0x4
assert bin(ASKED_FLAGS).count("1") == bin(VISIBLE_FLAGS).count("1")


@dataclass(frozen=True)
class Seen:
    type: FileType
    content: object
    metadata: tuple[object, ...]
    size: int
    uid: int
    gid: int
    mode: int
    mtime: int


def look(path: bytes) -> Seen:
    info = os.lstat(path)
    kind = TYPES[stat.S_IFMT(info.st_mode)]
    content: object = None
    flags = 0
    size = info.st_size
    if kind is FileType.DIRECTORY:
        size = 0
        if info.st_ino == 256:
            kind = FileType.SUBVOLUME
        elif info.st_ino == 2:  # what a snapshot shows in place of a nested subvolume
            return Seen(kind, None, (), 0, info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode), 0)
    if kind is FileType.FILE:
        content = Path(os.fsdecode(path)).read_bytes()
    elif kind is FileType.SYMLINK:
        content = os.readlink(path)
    elif kind in (FileType.BLOCK, FileType.CHAR):
        content = info.st_rdev
    if kind in (FileType.FILE, FileType.DIRECTORY):
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
        buffer = array.array("L", [0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer)
        os.close(fd)
        flags = buffer[0] & VISIBLE_FLAGS
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)
    mtime = info.st_mtime_ns if kind is FileType.FILE else 0
    mode = stat.S_IMODE(info.st_mode)
    metadata = (mode, info.st_uid, info.st_gid, flags, mtime, xattrs)
    return Seen(kind, content, metadata, size, info.st_uid, info.st_gid, mode, info.st_mtime_ns)


def walk(top: bytes) -> dict[bytes, Seen]:
    """Every name of a subvolume; nested subvolumes as one name each."""
    found = {}
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        seen = look(top + path)
        if path == b"":
            found[b"/"] = Seen(FileType.DIRECTORY, None, seen.metadata, 0, seen.uid, seen.gid, seen.mode, 0)
        else:
            found[path] = seen
        if seen.type is FileType.DIRECTORY or path == b"":
            with contextlib.suppress(NotADirectoryError):
                waiting.extend(path + b"/" + name for name in os.listdir(top + path))
    return found


def compare(now: dict[bytes, Seen], was: dict[bytes, Seen]) -> dict[bytes, tuple[FileType, Change]]:
    changes = {}
    for path in now.keys() | was.keys():
        new, old = now.get(path), was.get(path)
        if new is None:
            assert old
            changes[path] = (old.type, Change.DELETED)
        elif old is None:
            changes[path] = (new.type, Change.CREATED)
        elif new.type is not old.type:
            changes[path] = (new.type, Change.REPLACED)
        elif new.content != old.content:
            changes[path] = (new.type, Change.MODIFIED)
        elif new.metadata != old.metadata and new.metadata and old.metadata:
            changes[path] = (new.type, Change.METADATA)
    return changes


def as_changes(differences: list[Difference]) -> dict[bytes, tuple[FileType, Change]]:
    changes = {difference.path: (difference.type, difference.change) for difference in differences}
    assert len(changes) == len(differences), "a name appears twice"
    return changes


def check_fields(differences: list[Difference], now: dict[bytes, Seen], was: dict[bytes, Seen]) -> None:
    for difference in differences:
        seen = (was if difference.change is Change.DELETED else now)[difference.path]
        assert (difference.size, difference.uid, difference.gid, difference.mode) == (
            seen.size if seen.type is not FileType.SUBVOLUME else 0,
            seen.uid,
            seen.gid,
            seen.mode,
        ), difference
        if seen.type is FileType.FILE:
            assert difference.mtime == seen.mtime
        if seen.type is FileType.SYMLINK:
            assert difference.target == seen.content
