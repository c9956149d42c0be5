"""The values that travel between the floors.  All frozen; paths are bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from .losses import LossClass


class FileType(enum.StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    BLOCK = "block"
    CHAR = "char"
    SUBVOLUME = "subvolume"


class Change(enum.StrEnum):
    CREATED = "created"
    DELETED = "deleted"
    MODIFIED = "modified"  # content of a file, target of a symlink, number of a device
    REPLACED = "replaced"  # the name now holds another type of thing
    METADATA = "metadata"  # mode, owner, times, attributes; the content is the same


class Verdict(enum.StrEnum):
    PERSISTED = "persisted"
    DECLARED = "declared"
    REGENERATED = "regenerated"
    IGNORED = "ignored"
    CRUD = "crud"


class AdviceKind(enum.StrEnum):
    """What can be done about a loss; behind it what the argument is."""

    PERSIST_DIRECTORY = "persist-directory"  # its path
    PERSIST_FILE = "persist-file"  # its path
    IGNORE = "ignore"  # a path
    HOME_MANAGER = "home-manager"  # the option that makes the file
    PLASMA_MANAGER = "plasma-manager"  # an option, or "rc2nix"
    STYLIX = "stylix"  # an option
    DOTFILE = "dotfile"  # its path
    STATE_DIRECTORY = "state-directory"  # the name for `StateDirectory=`
    PUSH = "push"  # the path of the git repository
    DECLARE_PACKAGE = "declare-package"  # its name
    WITH_PACKAGE = "with-package"  # the name of one that others need
    BLANK = "blank"  # none: the next boot brings it back
    COPY = "copy"  # none: what is mounted there lives on, what it hides does not


class Advice(NamedTuple):
    """One thing that can be done; a path in the argument is as `text.to_text` has it."""

    kind: AdviceKind
    argument: str  # "" where there is none


@dataclass(frozen=True, slots=True)
class Volume:
    """An ephemeral subvolume as found on this machine, with what it is rolled back to."""

    name: str
    mountpoint: bytes  # where it is mounted in the running system
    path: bytes  # its place in the system it belongs to: what rules and reports see
    subvolume: bytes  # path from the top level
    root_id: int  # id of the subvolume
    blank: bytes | None  # path from the top level
    blank_id: int | None  # None: nothing to compare with, everything is new


@dataclass(frozen=True, slots=True)
class Difference:
    """One name of a volume that is not as in the blank.

    For `deleted` the fields describe what the blank holds, else what the volume holds now.
    `letters` are those of snapper's status and one more, always seven: `+-ct`, `p`, `u`, `g`, `x`,
    `a`, and `m` for the time of last modification; `.` where there is nothing to say.
    """

    path: bytes  # absolute, in the system the volume belongs to
    type: FileType
    change: Change
    letters: str
    inode: int  # the same in the volume and in the blank when nothing replaced it
    size: int  # bytes, as in stat; 0 for a directory
    uid: int
    gid: int
    mode: int  # permission bits only
    mtime: int  # nanoseconds since 1970
    target: bytes | None = None  # of a symlink
    subvolume: int | None = None  # id of a nested subvolume
    ctime: int = 0  # when anything about it changed last, which no program can set; 0: not known


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote to an inode, as far as it could still be asked.  Empty string or None: unknown."""

    unit: str  # systemd unit (or scope) of the process, "" when there is none
    exe: bytes
    comm: bytes
    pid: int
    uid: int | None
    first: float  # seconds since 1970
    last: float
    kind: str = ""  # of the unit: "system", "user", "session", "container"


@dataclass(frozen=True, slots=True)
class Entry:
    """A difference with what the rules and the watch know of it."""

    volume: str  # name of the volume
    difference: Difference
    verdict: Verdict
    rule: str  # why, in words
    loss: LossClass | None
    writer: Writer | None
    score: int = 0  # 0..100: how much it hurts, see `score`
    application: str = ""  # what it belongs to
    unit: str = ""  # whose state it is
    package: str = ""  # what it came with, installed since the blank
    group: bytes = b""  # the path of the whole that it is a part of; b"": nothing says
    lost: int = 0  # boots in a row that lost it already
    because: tuple[str, ...] = ()  # what else is known of it, in words
    advice: tuple[Advice, ...] = ()  # what can be done about it, the best first
    hidden: bool = False  # it lies beneath what is mounted over it
    unpushed: str = ""  # what of its git repository is on no remote, in words
    bookkeeping: bool = False  # `package` is the package manager, which keeps this for itself


@dataclass(frozen=True, slots=True)
class Others:
    """The differences that a report leaves out because they belong to other users."""

    entries: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Report:
    """What the next boot would lose; entries are sorted by volume and path."""

    complete: bool  # False: a part could not be read, or is not shown to this caller
    watching_since: float | None  # seconds since 1970; None: nobody watches
    overflows: int  # times that the kernel dropped events since then
    volumes: tuple[Volume, ...]
    entries: tuple[Entry, ...]
    gaps: tuple[tuple[float, float], ...] = ()  # since then, when nobody watched
    settled: float | None = None  # when the boot had made its own files, seconds since 1970
    notes: tuple[str, ...] = ()  # what could not be asked, in words
    others: Others | None = None  # None: made for somebody who may see everything


@dataclass(frozen=True, slots=True)
class Declaration:
    """One path that the configuration wants to persist."""

    path: bytes  # absolute, in the system the volume belongs to
    directory: bool
    persist: bytes  # the persist volume's path, "/persist"
    source: str  # file and key, for a person


@dataclass(frozen=True, slots=True)
class Mounted:
    """Something mounted inside a volume's tree from elsewhere."""

    path: bytes  # absolute, in the system the volume belongs to
    fstype: str
    source: bytes  # device, or subvolume and directory it comes from, for a person
    ephemeral: bool  # tmpfs, proc and the like: nothing of it lives on
