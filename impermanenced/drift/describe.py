"""What two inodes differ in, and a difference made of what was found."""

from __future__ import annotations

import stat

from ..kernel.btrfs import DirEntry, Facts, Inode, held
from ..model import TYPES, Change, Difference, FileType
from .side import ROOT_INODE, Side

SAME = "......."

_WHOLE = {Change.CREATED: "+......", Change.DELETED: "-......", Change.REPLACED: "t......"}
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")

# BTRFS_INODE_* of linux/btrfs_tree.h that a program has set: NODATACOW, SYNC, IMMUTABLE, APPEND,
# NODUMP, NOATIME, DIRSYNC, COMPRESS.  The kernel sets the others by itself.
ASKED_FLAGS = 0x2 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800


def letters(now: Facts, was: Facts, *, content: bool) -> str:
    """Return the letters of a `Difference` for two inodes of one type; `content`: what they hold differs."""
    new, old = now.inode, was.inode
    xattrs = acls = False
    if now.xattrs != was.xattrs:
        acls = any(now.xattrs.get(name) != was.xattrs.get(name) for name in _ACLS)
        xattrs = _plain(now.xattrs) != _plain(was.xattrs)
    touched = stat.S_ISREG(new.mode) and (new.mtime, new.mtime_nsec) != (old.mtime, old.mtime_nsec)
    return "".join(
        (
            "c" if content else ".",
            "p" if new.mode != old.mode else ".",
            "u" if new.uid != old.uid else ".",
            "g" if new.gid != old.gid else ".",
            "x" if xattrs or _attributes(new) != _attributes(old) else ".",
            "a" if acls else ".",
            "m" if touched else ".",
        )
    )


def _plain(xattrs: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the extended attributes without the ACLs, which have a letter of their own."""
    return {name: value for name, value in xattrs.items() if name not in _ACLS}


def _attributes(inode: Inode) -> int:
    """Return the flags of chattr(1)."""
    return inode.flags & ASKED_FLAGS


def describe(
    side: Side, path: bytes, entry: DirEntry, inode: Inode, change: Change, letters: str
) -> Difference:
    """Return the difference of one name, with what `side` holds there."""
    kind = TYPES.get(stat.S_IFMT(inode.mode), FileType.FILE)
    size = 0 if kind is FileType.DIRECTORY else inode.size
    taken = held(size, inode.nbytes) // max(inode.nlink, 1)
    return Difference(
        path=path,
        type=kind,
        change=change,
        letters=letters,
        inode=entry.objectid,
        size=size,
        uid=inode.uid,
        gid=inode.gid,
        mode=stat.S_IMODE(inode.mode),
        mtime=inode.mtime * 10**9 + inode.mtime_nsec,
        ctime=inode.ctime * 10**9 + inode.ctime_nsec,
        target=side.target(entry.objectid) if kind is FileType.SYMLINK else None,
        subvolume=side.nested_in,
        allocated=None if taken == size else taken,
    )


def describe_subvolume(path: bytes, number: int, root: Inode, change: Change) -> Difference:
    """Return the difference that a nested subvolume is, which came, went, or replaced something else; `root`
    is the inode of its topmost directory.
    """
    return Difference(
        path=path,
        type=FileType.SUBVOLUME,
        change=change,
        letters=_WHOLE[change],
        inode=ROOT_INODE,
        size=0,
        uid=root.uid,
        gid=root.gid,
        mode=stat.S_IMODE(root.mode),
        mtime=root.mtime * 10**9 + root.mtime_nsec,
        ctime=root.ctime * 10**9 + root.ctime_nsec,
        subvolume=number,
    )
