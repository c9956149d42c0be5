"""The trees of a BTRFS, read through TREE_SEARCH_V2.

Hard facts
    Every tree block and inode carries the transaction (its generation) that last changed it.  A
    search with `min_transid` skips unchanged blocks whole, so its cost follows the changes and
    not the tree.  What it returns are all items of the changed leaves, changed or not.
    The bounds of a search are keys in lexicographic order, not three ranges.
    A snapshot keeps inode numbers and the inodes' own generations: an inode is new when its
    generation is later than the snapshot, changed when only its transid is.  Numbers are not
    used again while the filesystem lives.
    Whatever changes about an inode or about the names in a directory updates the inode's item,
    and so its transid.  Reading does too, where atime is written.
    The search sees what was committed or inserted.  Delayed inodes appear after a sync.
    A nested subvolume is a directory entry that points to a ROOT_ITEM.  In a snapshot the entry
    stays and looks like an empty directory with inode 2; only a ROOT_REF makes it real.

Layouts are those of linux/btrfs_tree.h, all little-endian.
"""

from .filesystem import devices, fs_info, open_inode
from .items import (
    BTRFS_FIRST_FREE_OBJECTID,
    BTRFS_FS_TREE_OBJECTID,
    MAX_U64,
    Changes,
    DirEntry,
    Extent,
    Facts,
    Inode,
    held,
)
from .subvolumes import BTRFS_ROOT_SUBVOL_RDONLY, by_uuid, owners, weigh, weight
from .tree import Tree

__all__ = [
    "BTRFS_FIRST_FREE_OBJECTID",
    "BTRFS_FS_TREE_OBJECTID",
    "BTRFS_ROOT_SUBVOL_RDONLY",
    "MAX_U64",
    "Changes",
    "DirEntry",
    "Extent",
    "Facts",
    "Inode",
    "Tree",
    "by_uuid",
    "devices",
    "fs_info",
    "held",
    "open_inode",
    "owners",
    "weigh",
    "weight",
]
