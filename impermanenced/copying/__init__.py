"""Copies of trees with everything that belongs to a file, from directory descriptor to directory descriptor.

    result = copy(source_fd, b"sonarr", target_fd, b"sonarr", progress=tell, cancelled=stop.is_set)
    differences = verify(source_fd, b"sonarr", target_fd, b"sonarr")

`copy` makes the target *what the source is*: files of every type, with content, holes, owner, mode, times
(those of access too), extended attributes, ACLs, capabilities, flags of chattr(1), and the hard links among
them.  A nested subvolume becomes a snapshot.  Content is shared on the disk (reflink) across subvolumes and
mounts of one filesystem, and copied elsewhere.  `Result.lost` says what could not be carried over.

What is at the target already counts as left by an earlier run that was cut: files that have the source's
size, times, mode and owner stay, all else is made anew, and what the source does not have is *removed*.  So
name a place of your own, in a directory that nobody else may write to, and rename the copy when it is whole.
It is on the disk after a sync of the filesystem.

The source may be anybody's.  No link is followed, nothing that is mounted in it is entered, and a directory
that is moved while it is read is an error.  Everything is relative to descriptors: names that are not UTF-8,
trees deeper than PATH_MAX and directories with any number of files are nothing special.  Memory is taken for
the subdirectories of the directories above, and for files with several names.

`refill` does it for a file that cannot be replaced, because something is mounted over it.

`verify` compares two trees without trust in how the second was made.  `remove` removes a tree.  `measure`
says what there is to copy.
"""

from .copy import copy
from .measure import Size, measure
from .outcome import Kind, Lost, Progress, Result
from .refill import refill
from .remove import remove
from .verify import Difference, share, verify

__all__ = [
    "Difference",
    "Kind",
    "Lost",
    "Progress",
    "Result",
    "Size",
    "copy",
    "measure",
    "refill",
    "remove",
    "share",
    "verify",
]
