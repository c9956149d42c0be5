"""The values that travel between the floors.  All are frozen; paths are bytes."""

from __future__ import annotations

import enum
import stat
from collections.abc import Mapping

from .lazy import NamedTuple
from .losses import LossClass


class FileType(enum.StrEnum):
    """The type of a file, or a nested subvolume."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    BLOCK = "block"
    CHAR = "char"
    SUBVOLUME = "subvolume"


FORMATS: Mapping[FileType, int] = {  # as in stat(2); a subvolume is a directory there
    FileType.FILE: stat.S_IFREG,
    FileType.DIRECTORY: stat.S_IFDIR,
    FileType.SYMLINK: stat.S_IFLNK,
    FileType.FIFO: stat.S_IFIFO,
    FileType.SOCKET: stat.S_IFSOCK,
    FileType.BLOCK: stat.S_IFBLK,
    FileType.CHAR: stat.S_IFCHR,
}
TYPES: Mapping[int, FileType] = {number: name for name, number in FORMATS.items()}


class Change(enum.StrEnum):
    """The way in which a name differs from the blank."""

    CREATED = "created"
    DELETED = "deleted"
    MODIFIED = "modified"  # content of a file, target of a symlink, number of a device
    REPLACED = "replaced"  # the name now holds another type of thing
    METADATA = "metadata"  # mode, owner, times, attributes; the content is the same


class Verdict(enum.StrEnum):
    """The judgement on a difference; those of LOSSES are losses."""

    PERSISTED = "persisted"  # mounted or linked from outside, now
    DECLARED = "declared"  # but nothing is mounted there
    HIDDEN = "hidden"  # under a mount that has it too
    REGENERATED = "regenerated"
    IGNORED = "ignored"
    CRUD = "crud"


LOSSES = frozenset((Verdict.DECLARED, Verdict.CRUD))


class AdviceKind(enum.StrEnum):
    """The kinds of advice on a loss; the comment says what the argument is."""

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
    BLANK = "blank"  # no argument: the next boot brings it back
    INTO_BLANK = "into-blank"  # its path: programs replace the file, so no mount and no link holds
    COPY = "copy"  # no argument: what is mounted there persists, what the mount hides does not
    FSTAB = "fstab"  # the line of fstab(5) that mounts the declared path
    TMPFILES = "tmpfiles"  # the line of tmpfiles.d(5) that makes the declared link
    MODULE = "module"  # the persist volume, in which a module of NixOS mounts what is declared


class Advice(NamedTuple):
    """One thing that can be done about a loss."""

    kind: AdviceKind
    argument: str  # a path is written as `text.to_text` does; "" if the kind has no argument


class Volume(NamedTuple):
    """A subvolume that is rolled back at boot, as found on this machine."""

    name: str
    mountpoint: bytes  # where it is mounted in the running system
    path: bytes  # where it belongs in its own system: rules and reports use these paths
    subvolume: bytes  # its path from the top level
    root_id: int  # its subvolume id
    blank: bytes | None  # the blank's path from the top level
    blank_id: int | None  # None: there is no blank to compare with, so everything is new

    def inside(self, path: bytes) -> bytes:
        """Return a path of the volume's system relative to the volume's root, with a slash before it."""
        return path[len(self.path.rstrip(b"/")) :]


class Difference(NamedTuple):
    """One name of a volume that is not as in the blank.

    For `deleted` the fields describe what the blank holds, otherwise what the volume holds now.
    `letters` are those of snapper's status and one more, always seven: `+-ct`, `p`, `u`, `g`, `x`,
    `a`, and `m` for the time of last modification; `.` stands for no difference.
    """

    path: bytes  # absolute, in the system the volume belongs to
    type: FileType
    change: Change
    letters: str
    inode: int  # the same number in the volume and in the blank if nothing replaced the file
    size: int  # bytes, as in stat; 0 for a directory
    uid: int
    gid: int
    mode: int  # permission bits only
    mtime: int  # nanoseconds since 1970
    target: bytes | None = None  # of a symlink
    subvolume: int | None = None  # id of the nested subvolume that it is, or lies in
    ctime: int = 0  # nanoseconds since 1970; no program can set it; 0: not known
    allocated: int | None = None  # bytes on the disk, where these are not `size`: of a sparse file, for one

    @property
    def held(self) -> int:
        """Return how many bytes it really takes, the share of one name where a file has several.

        Sums are made of these: `size` is a number that whoever writes the file may choose.
        """
        return self.size if self.allocated is None else self.allocated


class Writer(NamedTuple):
    """The process that wrote to an inode, as far as it is known.  An empty string or None means unknown."""

    unit: str  # the systemd unit (or scope) of the process, "" if there is none
    exe: bytes
    comm: bytes
    pid: int
    uid: int | None
    first: float  # seconds since 1970
    last: float
    kind: str = ""  # the kind of the unit: "system", "user", "session", "container"

    @property
    def whose(self) -> str:
        """Return the unit, with its kind before it where that names it as it likes: a user may have an
        `sshd.service`, which is `user:sshd.service`.
        """
        return f"{self.kind}:{self.unit}" if self.unit and self.kind in ("user", "container") else self.unit


class Entry(NamedTuple):
    """A difference with what the rules and the watch know of it."""

    volume: str  # name of the volume
    difference: Difference
    verdict: Verdict
    rule: str  # the reason for the verdict, in words
    loss: LossClass | None
    writer: Writer | None
    score: int = 0  # 0 to 100: how bad the loss is
    application: str = ""  # the application that it belongs to
    unit: str = ""  # the unit whose state it is
    package: str = ""  # the package that it came with, installed since the blank
    group: bytes = b""  # the path that stands for the whole it belongs to, or b""
    lost: int = 0  # boots in a row that lost it already
    because: tuple[str, ...] = ()  # further reasons, in words
    advice: tuple[Advice, ...] = ()  # what can be done about it, the best first
    hidden: bool = False  # whether a mount hides it
    unpushed: str = ""  # what its git repository has that is on no remote, in words
    bookkeeping: bool = False  # `package` is the package manager, which keeps this for itself


class Decision(NamedTuple):
    """What the next boot does, as the program of the initrd foretells it."""

    action: str  # of a record, or one that only a forecast has: `boots/examine` lists them
    boot: int | None = None  # if an old root is booted: its number
    why: str = ""  # in the program's words, printable; of an unknown one: why it is not known
    code: str | None = None  # the stable word of the reason
    # These two follow from the others, and make no other decision of it.
    advice: str | None = None  # what to do about it, by the table of reasons
    volume: str | None = None  # which of several the reason is about, if any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self[:4] == other[:4]

    def __ne__(self, other: object) -> bool:  # else that of a tuple
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:4])

    @property
    def fails(self) -> bool:
        """Return whether the rollback comes to nothing although it was to happen."""
        return self.action in ("refused", "failed")


class Spared(enum.StrEnum):
    """Why the next boot takes nothing away."""

    NOT_SET_UP = "not-set-up"
    TRIAL = "trial"
    ASKED = "asked"  # somebody asked to keep the root
    HELD = "held"  # wiping pauses
    REFUSED = "refused"  # the rollback will be
    OTHER = "other"  # another root boots


class Forecast(NamedTuple):
    """What the next boot does, and whether it takes anything away: one answer for everybody who asks."""

    decision: Decision
    spared: Spared | None = None  # None: it takes away what does not persist, or may


class Others(NamedTuple):
    """The differences that a report leaves out because they belong to other users."""

    entries: int
    size: int  # bytes


class Unlisted(NamedTuple):
    """The losses of one class that a report counts and does not list."""

    loss: LossClass
    paths: int
    size: int  # bytes


class Report(NamedTuple):
    """Everything that the next boot would lose; entries are sorted by volume and path."""

    complete: bool  # False if a part could not be read, or is not shown to this caller
    watching_since: float | None  # seconds since 1970; None: no daemon watches
    overflows: int  # how often the kernel has dropped events since then
    volumes: tuple[Volume, ...]
    entries: tuple[Entry, ...]
    gaps: tuple[tuple[float, float], ...] = ()  # (begin, end) of each time since then without a watch
    settled: float | None = None  # when the boot had made its own files, seconds since 1970
    notes: tuple[str, ...] = ()  # sources that could not be used, in words
    others: Others | None = None  # None: the report is for a user who may see everything
    faults: tuple[str, ...] = ()  # why what is declared would be lost all the same, in words
    unheard: str | None = None  # why a daemon that runs did not make this, in words
    forecast: Forecast | None = None  # None: whoever made the report could not tell
    unlisted: tuple[Unlisted, ...] = ()  # what one user's names make too long to list
    # How often so much was written that for a while nobody watched changes of metadata and of open files.
    curtailed: int = 0


class Declaration(NamedTuple):
    """One path that the configuration wants to persist."""

    path: bytes  # absolute, in the system the volume belongs to
    directory: bool
    persist: bytes  # the persist volume's path, "/persist"
    source: str  # for a person: the file and the key


class Mounted(NamedTuple):
    """A mount inside a volume's tree whose content comes from elsewhere."""

    path: bytes  # absolute, in the system the volume belongs to
    fstype: str
    source: bytes  # for a person: the device, or the subvolume and directory that it comes from
    ephemeral: bool  # whether nothing in it persists: tmpfs, proc and the like
    goes: str = ""  # why its content goes although the filesystem persists, in words
    volume: str = ""  # the name of the volume that is mounted there, with entries of its own
    place: bytes | None = None  # where its content is, from the top level; None: on another filesystem
    origin: tuple[bytes, bytes] = (b"", b"")  # device and root, as mountinfo has them

    @property
    def lasts(self) -> bool:
        """Return whether the next boot leaves what is mounted there alone."""
        return not (self.ephemeral or self.goes or self.volume)
