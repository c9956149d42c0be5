"""A tree with one of everything that a filesystem can hold, and a look at a tree by other means than ours."""

from __future__ import annotations

import array
import fcntl
import hashlib
import os
import random
import socket
import stat
from pathlib import Path

from ...conftest import sh

FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
# linux/fs.h: COMPR SYNC IMMUTABLE APPEND NODUMP NOATIME DIRSYNC NOCOW
FLAGS = 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000 | 0x800000

LONG_AGO = 1_000_000_000_123_456_789

Seen = dict[bytes, tuple[object, ...]]


def look(top: bytes, *, flags: bool = True, atime: bool = True) -> Seen:
    """Everything about every name of a tree; names of one file are in one group."""
    found: Seen = {}
    groups: dict[tuple[int, int], list[bytes]] = {}
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        info = os.lstat(top + path)
        if stat.S_ISDIR(info.st_mode):
            waiting.extend(path + b"/" + name for name in names_in(top + path))
        else:
            groups.setdefault((info.st_dev, info.st_ino), []).append(path)
        found[path] = one(top + path, info, flags=flags, atime=atime)
    for names in groups.values():
        for path in names:
            found[path] += (tuple(sorted(names)),)
    return found


def names_in(path: bytes) -> list[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    try:
        return [os.fsencode(name) for name in os.listdir(fd)]
    finally:
        os.close(fd)


def one(path: bytes, info: os.stat_result, *, flags: bool, atime: bool) -> tuple[object, ...]:
    content: object = None
    chattr = 0
    if stat.S_ISREG(info.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
        with open(fd, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
            content = info.st_size, digest, holes(fd, info.st_size)
    elif stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
        atime = False  # nobody can read a link without that
    elif stat.S_ISBLK(info.st_mode) or stat.S_ISCHR(info.st_mode):
        content = info.st_rdev
    if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):
        chattr = get_flags(path) if flags else 0
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)
    owner = info.st_uid, info.st_gid, oct(info.st_mode)
    return owner, info.st_mtime_ns, info.st_atime_ns if atime else 0, xattrs, chattr, content


def holes(fd: int, size: int) -> tuple[tuple[int, int], ...]:
    """(start, end) of each piece of data."""
    pieces, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        pieces.append((start, at))
    return tuple(pieces)


def get_flags(path: bytes) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NONBLOCK)
    try:
        buffer = array.array("L", [0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer)
        return buffer[0] & FLAGS
    finally:
        os.close(fd)


def set_flags(path: Path, flags: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, array.array("L", [flags]))
    finally:
        os.close(fd)


def difference(ours: Seen, theirs: Seen) -> dict[bytes, object]:
    return {
        path: (ours.get(path), theirs.get(path))
        for path in ours.keys() | theirs.keys()
        if ours.get(path) != theirs.get(path)
    }


def torture(top: Path, seed: int = 0, many: int = 40) -> None:
    """One of everything, and `many` small files with random owners, modes and names."""
    top.mkdir()
    (top / "empty").touch()
    (top / "small").write_bytes(b"inline\n")
    (top / "large").write_bytes(random.Random(1).randbytes(3 << 20))
    with open(top / "holes", "wb") as stream:
        stream.seek(4 << 20)
        stream.write(b"x" * 8192)
        stream.truncate(9 << 20)
    with open(top / "all-hole", "wb") as stream:
        stream.truncate(5 << 20)
    for raw in (b"\xff\xfe not utf-8", b"new\nline", b"-rf", b"\x1b[31m", "ä€😀".encode(), b"a" * 255):
        (top / os.fsdecode(raw)).write_bytes(raw)
    (top / "link").symlink_to("small")
    (top / "dangling").symlink_to("/nowhere/at all")
    os.lchown(top / "link", 12, 34)
    os.setxattr(top / "dangling", "trusted.link", b"of a link", follow_symlinks=False)
    os.mkfifo(top / "fifo", 0o640)
    os.mknod(top / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top / "block", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    os.mknod(top / "whiteout", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    listening = socket.socket(socket.AF_UNIX)
    here = os.open(top, os.O_RDONLY)
    listening.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)
    listening.close()
    attributes(top)
    hard_links(top)
    flagged(top)
    randomly(top / "many", seed, many)
    for path in sorted(top.rglob("*"), reverse=True):
        os.utime(path, ns=(LONG_AGO + 5, LONG_AGO + len(os.fsencode(path))), follow_symlinks=False)
    os.utime(top, ns=(LONG_AGO, LONG_AGO + 1))
    for name, flags in (("immutable", 0x10), ("append", 0x20), ("linked", 0x10), ("locked", 0x10)):
        set_flags(top / "flags" / name, flags)


def attributes(top: Path) -> None:
    (top / "owned").mkdir(mode=0o3751)
    os.chown(top / "owned", 1000, 100)
    os.chmod(top / "owned", 0o3751)
    (top / "owned/suid").write_text("s")
    os.chown(top / "owned/suid", 33, 33)
    os.chmod(top / "owned/suid", 0o6755)
    (top / "owned/ping").write_text("c")
    sh("setcap", "cap_net_raw+ep", top / "owned/ping")
    (top / "owned/acl").mkdir(mode=0o700)
    sh("setfacl", "-m", "u:33:rwx,g:44:r-x", "-d", "-m", "u:55:r-x", top / "owned/acl")
    (top / "owned/acl/inherits").write_text("i")
    (top / "owned/acl/none").write_text("n")
    sh("setfacl", "-b", top / "owned/acl/none")
    for name in ("user.mime", "trusted.secret", "security.other"):
        os.setxattr(top / "owned/acl/none", name, b"\0binary\xff")
        os.setxattr(top / "owned/acl", name, b"d")
    os.setxattr(top / "owned/acl/none", "user.long", b"v" * 3000)


def hard_links(top: Path) -> None:
    (top / "hard/deep").mkdir(parents=True)
    (top / "hard/one").write_text("of three names")
    os.link(top / "hard/one", top / "hard/deep/two")
    os.link(top / "hard/one", top / "three")
    (top / "hard/to-link").symlink_to("one")
    os.link(top / "hard/to-link", top / "hard/deep/to-link-too", follow_symlinks=False)
    os.mkfifo(top / "hard/pipe")
    os.link(top / "hard/pipe", top / "hard/deep/pipe-too")


def flagged(top: Path) -> None:
    """The flags of chattr(1), also where they stand in the way."""
    (top / "flags/locked").mkdir(parents=True)
    (top / "flags/locked/inside").write_text("cannot be removed")
    for name in ("immutable", "append", "others"):
        (top / "flags" / name).write_text(name)
    set_flags(top / "flags/others", 0x8 | 0x40 | 0x80)
    (top / "flags/linked").write_text("immutable, with two names")
    os.link(top / "flags/linked", top / "flags/linked-too")
    (top / "flags/nocow").touch()
    set_flags(top / "flags/nocow", 0x800000)
    (top / "flags/nocow").write_bytes(b"n" * (1 << 20))
    (top / "flags/nocow-directory").mkdir()
    (top / "flags/nocow-directory/with-cow").write_bytes(b"c" * 9000)
    set_flags(top / "flags/nocow-directory", 0x800000)
    (top / "flags/compressed").mkdir()
    sh("btrfs", "property", "set", top / "flags/compressed", "compression", "zstd")
    (top / "flags/compressed/text").write_bytes(b"text " * 100_000)


def randomly(top: Path, seed: int, many: int) -> None:
    chance = random.Random(seed)
    top.mkdir()
    directories = [top]
    for number in range(many):
        above = chance.choice(directories)
        path = above / f"{number}"
        if chance.random() < 0.15:
            path.mkdir()
            directories.append(path)
        else:
            path.write_bytes(chance.randbytes(chance.choice((0, 1, 100, 5000, 70_000)) if many < 1000 else 9))
        os.chown(path, chance.choice((0, 33, 1000)), chance.choice((0, 33, 100)))
        os.chmod(path, chance.choice((0o600, 0o644, 0o755, 0o4711, 0o000)))


def unlock(top: Path) -> None:
    """Take away what would keep a tree from being removed."""
    sh("chattr", "-R", "-f", "-i", "-a", top) if top.exists() else None
