"""The values of one declaration."""

from __future__ import annotations

from ..lazy import NamedTuple
from ..model import Declaration

BIND, SYMLINK, AUTO, SYNC = "bind", "symlink", "auto", "sync"  # the methods
COPY = "copy"  # of a declared file alone
SYSTEM, INITRD = "system", "initrd"  # the phases


class Ownership(NamedTuple):
    """Owner, group and mode of something that has to be created; None means as its parent, or root's."""

    user: str | None = None
    group: str | None = None
    mode: str | None = None


class Details(NamedTuple):
    """The parts of a declaration that few have."""

    phase: str = SYSTEM  # or INITRD: before the system starts
    trash: bool = False  # whether file managers may keep a trash in the mount
    options: tuple[str, ...] = ()  # of the mount, besides bind
    target: bool = True  # whether what a symbolic link leads to is made
    exclude: tuple[bytes, ...] = ()  # directories below it that do not persist, as paths from it
    default: Ownership = Ownership()  # of the directories on the way that have to be created


class Placement(NamedTuple):
    """The way in which a declared path gets to its place."""

    declaration: Declaration
    method: str  # BIND, SYMLINK, AUTO or SYNC
    hide: bool  # whether file managers should not show the mount
    own: Ownership
    parent: Ownership
    user: str | None = None  # the user below whose home it is declared
    home: bytes | None = None  # that home
    details: Details = Details()
