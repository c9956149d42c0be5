"""The values that a suggestion is made from, and those that it consists of."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...config.placement import Details, Ownership
from ...losses import LossClass
from ...model import Advice, Change, Entry, FileType, Verdict

DEFAULT = Ownership()
USUAL = Details()


class RemedyKind(enum.StrEnum):
    """Why no declaration covers a loss."""

    BLANK = "blank"  # the next boot brings it back
    CACHE = "cache"  # programs make it again
    COPY = "copy"  # a mount hides it
    ELSEWHERE = "elsewhere"  # a dotfile, a setting that another tool captures
    EMPTY = "empty"  # a directory that holds nothing to keep
    FOLLOWS = "follows"  # a link into what is declared
    INTO_BLANK = "into-blank"  # programs replace the file, so no mount and no link holds
    INSIDE = "inside"  # in the place of the persist volume, which is not mounted
    LOG = "log"
    METADATA = "metadata"  # mode or owner of a directory that the blank has
    NODE = "node"  # a link, a fifo, a device
    PACKAGE = "package"
    SUBVOLUME = "subvolume"


@dataclass(frozen=True, slots=True)
class Item:
    """The part of an entry that a suggestion needs."""

    path: bytes
    type: FileType
    change: Change
    verdict: Verdict
    uid: int
    gid: int
    mode: int
    size: int
    loss: LossClass
    application: str = ""
    unit: str = ""
    package: str = ""
    advice: tuple[Advice, ...] = ()
    hidden: bool = False  # beneath what is mounted over it


def item_of(entry: Entry) -> Item:
    """Return the part of an entry that a suggestion needs."""
    difference = entry.difference
    return Item(
        difference.path,
        difference.type,
        difference.change,
        entry.verdict,
        difference.uid,
        difference.gid,
        difference.mode,
        difference.held,
        entry.loss or LossClass.UNKNOWN,
        entry.application,
        entry.unit,
        entry.package,
        entry.advice,
        entry.hidden,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """One declaration.  `own` and `parent` hold only what is not the default."""

    path: bytes  # absolute
    directory: bool
    persist: bytes
    user: str | None = None  # the user below whose home it is declared
    home: bytes | None = None
    own: Ownership = DEFAULT
    parent: Ownership = DEFAULT  # for a file: how the directory around it is created
    method: str = "bind"
    hide: bool = False
    details: Details = USUAL
    declared: bool = False  # whether the configuration has it already
    in_blank: bool = False  # whether the blank has something by this name
    instead: tuple[tuple[Advice, ...], ...] = ()  # the better ways for parts of it, each some advice
    why: str = ""  # its owner and the worst that would be lost with it
    count: int = 0  # paths that would be lost
    size: int = 0  # bytes

    @property
    def name(self) -> bytes:
        """Return the path as it is declared: relative to the home, if it lies in one."""
        return self.path if self.home is None else self.path[len(self.home.rstrip(b"/")) + 1 :]


@dataclass(frozen=True, slots=True)
class Way:
    """A directory above a declared path that is not root's, or not of mode 0755."""

    path: bytes
    user: str
    group: str
    mode: int
    new: bool  # whether the blank lacks it
    homely: bool  # whether it is a home, or lies in one


@dataclass(frozen=True, slots=True)
class Remedy:
    """Paths that no declaration covers, and what can be done about them."""

    kind: RemedyKind
    paths: tuple[bytes, ...]
    package: str = ""  # of "package": its name
    advice: tuple[Advice, ...] = ()  # of "elsewhere": the better ways


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The declarations and remedies for what would be lost."""

    wanted: tuple[Wanted, ...]  # those of the system first, then user by user; each sorted by path
    remedies: tuple[Remedy, ...]
    ways: tuple[Way, ...]
    losses: int  # paths that would be lost, among those that were asked for
    covered: int  # how many of these the declarations cover
    on_the_way: tuple[bytes, ...] = ()  # those of them that are new directories on the way to a declared path
