"""The restoring of a path from a past moment: a copy that is whole before anybody sees it.

    .NAME.restoring/          in the target's directory: ours alone, whoever may write to the directory
        impermanence-HASH     the copy, until it is whole; a run that was cut goes on with it

The copy is on the disk before it gets its name.  What has that name already is never lost unless it was to
be: both change places in one call, and then the old one gets a numbered name, or goes.

Hard facts
    Whoever owns a directory may rename everything in it, and make links in its place.  So the target's
    directory is opened once, through no link, and everything after that goes through the descriptor; what is
    in a directory of root's with mode 0700 nobody else can name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable

from .. import copying
from ..copying import Progress, Result
from ..errors import ImpermanenceError, UsageError
from ..kernel import libc, mounts, openat2
from ..lazy import NamedTuple
from ..text import to_text

MOST_BACKUPS = 10_000
_LONGEST = 200  # bytes of the name that ours begins with
_OURS = b".%b.restoring"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symbolic link",
}


class Source(NamedTuple):
    """What is restored: a path below an open directory."""

    root: int  # a descriptor of a root's topmost directory
    path: bytes  # from there, such as `/etc/hosts`
    key: bytes  # that tells this root from every other one


class Target(NamedTuple):
    """Where it goes: a name in a directory below an open one."""

    root: int
    directory: bytes  # from there
    name: bytes
    shown: bytes  # the whole path, for a person

    @property
    def path(self) -> bytes:
        """Return the path from the open directory."""
        return self.directory.rstrip(b"/") + b"/" + self.name


class Restored(NamedTuple):
    """What was done."""

    target: bytes  # the path, for a person
    result: Result
    backup: bytes | None  # the name of what was there before; None: nothing, or it is gone
    replaced: bool  # whether what was there is gone
    made: tuple[bytes, ...]  # the directories that had to be made


def check(source: Source, target: Target, *, keep: bool, force: bool) -> os.stat_result:
    """Return the facts of what is to be restored.

    Raises UsageError and ImpermanenceError for what cannot be done, before anything is changed.
    """
    facts = _facts_of_source(source)
    try:
        there = openat2.facts(target.root, target.path)
    except FileNotFoundError:
        return facts
    except OSError as error:
        raise ImpermanenceError(f"{to_text(target.shown)}: {_why(error)}", _hint(error)) from None
    if not (keep or force):
        old, new = _kind(facts.st_mode), _kind(there.st_mode)
        what = f"is there already, and is a {new} now, not a {old}" if old != new else "is there already"
        raise ImpermanenceError(
            f"{to_text(target.shown)} {what}; nothing was changed",
            "--keep renames what is there, --force replaces it, --to DIR restores elsewhere",
        )
    return facts


def remove(target: Target, *, keep: bool, force: bool) -> Restored:
    """Put back nothing, as the blank has nothing there: what is there gets a numbered name, or goes.

    Raises ImpermanenceError if nothing is there, or without `keep` or `force`, and OSError.
    """
    if not (keep or force):
        raise ImpermanenceError(
            f"the blank has no {to_text(target.shown)}; nothing was changed",
            "--force removes what is there, --keep renames it",
        )
    try:
        directory = openat2.open_directory(target.root, target.directory or b"/", os.O_RDONLY)
    except OSError as error:
        raise ImpermanenceError(f"{to_text(target.shown)}: {_why(error)}", _hint(error)) from None
    ours = _OURS % target.name[:_LONGEST]
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, directory)
        staging = _staging(directory, ours, target)
        stack.callback(os.close, staging)
        aside = b"removed-%d" % os.getpid()
        backup = None
        try:
            libc.renameat2(directory, target.name, staging, aside, libc.RENAME_NOREPLACE)
            if keep:
                backup = _put_aside(staging, aside, directory, target)
            else:
                copying.remove(staging, aside)
        except FileNotFoundError:
            raise ImpermanenceError(f"{to_text(target.shown)} is not there", "nothing was changed") from None
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(ours, dir_fd=directory)
        libc.syncfs(staging)
    return Restored(target.shown, Result(0, 0, 0, 0), backup, not keep, ())


def is_absent(source: Source) -> bool:
    """Return whether nothing was at the path then."""
    try:
        openat2.facts(source.root, source.path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    return False


def _facts_of_source(source: Source) -> os.stat_result:
    try:
        return openat2.facts(source.root, source.path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ImpermanenceError(
                f"{to_text(source.path)}: it was not there then", "impermanence history PATH says when it was"
            ) from None
        raise ImpermanenceError(f"{to_text(source.path)}: {_why(error)}", _hint(error)) from None


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "special file")


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a symbolic link is on the way"
    return error.strerror or str(error)


def _hint(error: OSError) -> str | None:
    if error.errno == errno.ELOOP:
        return "name the place that the link leads to"
    if error.errno == errno.ENAMETOOLONG:
        return "restore a directory above it"
    return None


def refuse_mount_point(path: bytes) -> None:
    """Raise ImpermanenceError if something is mounted on a path of the running system."""
    if any(mount.path == path for mount in mounts.read()):
        raise ImpermanenceError(
            f"{to_text(path)}: something is mounted there, and stays; nothing was changed",
            "restore what is in it path by path, or --to DIR",
        )


def restore(
    source: Source,
    target: Target,
    *,
    keep: bool = False,
    force: bool = False,
    progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> Restored:
    """Restore one path, and return what was done; what `check` refuses is refused here too.

    Raises OSError and Cancelled: what was copied stays for the next run, unless the filesystem is full.
    """
    check(source, target, keep=keep, force=force)
    with contextlib.ExitStack() as stack:
        above, name = os.path.split(source.path)
        origin = openat2.open_directory(source.root, above, os.O_RDONLY)
        stack.callback(os.close, origin)
        directory, made = _directory(source, target)
        stack.callback(os.close, directory)
        ours = _OURS % target.name[:_LONGEST]
        staging = _staging(directory, ours, target)
        stack.callback(os.close, staging)
        copy = b"impermanence-" + hashlib.sha256(source.key + b"\0" + source.path).hexdigest().encode()
        try:
            result = copying.copy(origin, name, staging, copy, progress=progress, cancelled=cancelled)
        except OSError as error:
            if error.errno in _FULL:
                _forget(directory, ours, staging, copy)
            raise
        libc.syncfs(staging)  # the copy is on the disk before its name is
        backup, replaced = _publish(staging, copy, directory, target, keep=keep, force=force)
        if replaced:
            copying.remove(staging, copy)
        with contextlib.suppress(OSError):  # somebody moved it away, or another run is at work in it
            os.rmdir(ours, dir_fd=directory)
        libc.syncfs(staging)
    return Restored(target.shown, result, backup, replaced, tuple(made))


def _directory(source: Source, target: Target) -> tuple[int, list[bytes]]:
    """Return a descriptor of the target's directory, and those that were made on the way to it: each as the
    source has it at that path.
    """
    here = openat2.open_directory(target.root, b"/", os.O_RDONLY)
    made: list[bytes] = []
    path = b""
    try:
        for part in filter(None, target.directory.split(b"/")):
            path += b"/" + part
            try:
                below = _enter(here, part)
            except FileNotFoundError:
                os.mkdir(part, 0o700, dir_fd=here)
                below = _enter(here, part)
                made.append(path)
                with contextlib.suppress(OSError):
                    facts = openat2.facts(source.root, path)
                    os.fchown(below, facts.st_uid, facts.st_gid)
                    os.fchmod(below, stat.S_IMODE(facts.st_mode))
            os.close(here)
            here = below
    except OSError as error:
        os.close(here)
        raise ImpermanenceError(f"{to_text(path)}: {_why(error)}", _hint(error)) from None
    except BaseException:
        os.close(here)
        raise
    return here, made


def _enter(directory: int, name: bytes) -> int:
    return openat2.open_directory(directory, name, os.O_RDONLY)


def _staging(directory: int, name: bytes, target: Target) -> int:
    """Return a descriptor of the directory that the copy is made in; it is root's alone."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=directory)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        raise _not_ours(target, name, error.strerror or "") from None
    facts = os.fstat(fd)
    if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o077:
        os.close(fd)
        raise _not_ours(target, name, "it is not root's alone")
    return fd


def _not_ours(target: Target, name: bytes, why: str) -> ImpermanenceError:
    where = to_text(os.path.dirname(target.shown).rstrip(b"/") + b"/" + name)
    return ImpermanenceError(f"{where} is needed for the copy, and is somebody else's: {why}", "move it away")


def _forget(directory: int, ours: bytes, staging: int, copy: bytes) -> None:
    """Give back the space of a copy that found no room."""
    with contextlib.suppress(OSError):
        copying.remove(staging, copy)
        os.rmdir(ours, dir_fd=directory)


def _publish(
    staging: int, copy: bytes, directory: int, target: Target, *, keep: bool, force: bool
) -> tuple[bytes | None, bool]:
    """Give the copy its name; return the name of what was there, and whether that waits in `staging` to be
    removed.
    """
    try:
        libc.renameat2(staging, copy, directory, target.name, libc.RENAME_NOREPLACE)
        return None, False
    except FileExistsError:
        if not (keep or force):  # it came meanwhile
            raise ImpermanenceError(
                f"{to_text(target.shown)} has come meanwhile; it was not touched", "--keep or --force"
            ) from None
    libc.renameat2(staging, copy, directory, target.name, libc.RENAME_EXCHANGE)
    if not keep:
        return None, True
    return _put_aside(staging, copy, directory, target), False


def _put_aside(staging: int, copy: bytes, directory: int, target: Target) -> bytes:
    """Give what was there a numbered name, as cp(1) does, and return it."""
    for number in range(1, MOST_BACKUPS):
        name = b"%b.~%d~" % (target.name, number)
        with contextlib.suppress(FileExistsError):
            libc.renameat2(staging, copy, directory, name, libc.RENAME_NOREPLACE)
            return name
    raise UsageError(f"{to_text(target.shown)} has {MOST_BACKUPS:,} backups", "remove some of them")
