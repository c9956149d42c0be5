"""Every difference between a volume and its blank.

The volume is a snapshot of the blank (or the blank one of the volume, or both of a third), so both
trees share what neither changed since.  The comparison therefore starts from the inodes changed
after that moment, the *baseline*, and never walks the rest:

    a changed directory that is at its old place  ->  compare its names with the blank's
    a changed inode under a name it always had    ->  compare its properties and its content
    a name that is new, or holds another inode    ->  walk below it in both trees

Where no common moment is known (the blank was replaced, or made from something else), everything
counts as changed and both trees are walked.  Without a blank everything is new.

These count as a difference: type, mode, owner, group, extended attributes and ACLs, file attributes (chattr),
content, size, target, device number, and a file's time of last modification.  These do not: atime and ctime;
inode numbers and numbers of links, which no reader of a name sees; and a directory's or symlink's mtime,
since names come and go with differences of their own.
"""

from .compare import Drift
from .whole import Whole, nested_volume

__all__ = ["Drift", "Whole", "nested_volume"]
