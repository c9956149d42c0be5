"""The trash of a persist volume: what `tidy` moved away, until its grace is over.

    PERSIST/.impermanence-tidied/         root's alone
        SECONDS-HEX/record                where it was, and when it was moved
        SECONDS-HEX/content               what was moved

Everything is one rename inside the volume, so nothing is copied, and nothing is half moved.  The record is
there before the content, and a commit of the whole filesystem (syncfs) comes after both.

Hard facts
    A rename by descriptors of the directories puts nothing outside of the volume, whoever renames these
    directories meanwhile.  What is at a name may be exchanged before the rename: so what has arrived is
    compared with what was meant, and goes back if it is something else.
    rename(2) between two subvolumes is EXDEV, but for a subvolume as a whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from .. import copying
from ..boots.records.keyvalue import LARGEST, TIME, assemble, line, read, split
from ..errors import RecordError, ServiceError
from ..kernel import libc, openat2
from ..lazy import regex
from .closed import open_closed
from .strays import DIRECTORY, OURS, Stray, inode_of

NAME = OURS + b"-tidied"
GRACE = 30 * 86400  # seconds that everything stays

_ENTRY = regex(rb"[0-9]{1,12}-[0-9a-f]{16}")
_RECORD, _CONTENT = b"record", b"content"


@dataclass(frozen=True, slots=True)
class Tidied:
    """Something in the trash."""

    id: bytes  # the name of its directory
    path: bytes  # where it was, from the persist volume, with a slash before it
    time: int  # when it was moved, seconds since 1970

    def is_over(self, now: float) -> bool:
        """Return whether its grace is over; one from the future has it all before it."""
        return self.time + GRACE <= now


class Trash:
    """The trash of the persist volume that `directory` is a descriptor of.  Close it, or use it in a `with`.

    The constructor makes it if it is to be `writable`.  It raises FileNotFoundError if there is none, other
    OSErrors, and ServiceError if another process works on it.
    """

    def __init__(self, directory: int, *, writable: bool) -> None:
        self._top = directory
        self._fd = open_closed(directory, NAME, make=writable)
        try:
            if writable:
                self._lock()
        except BaseException:
            os.close(self._fd)
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError("another tidy is at work", "try again when it has ended") from None

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Trash:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def entries(self) -> Iterator[Tidied]:
        """Yield what is in it, the oldest first; a directory without a record, or without content, is
        nothing.
        """
        for name in sorted(map(os.fsencode, os.listdir(self._fd))):
            with contextlib.suppress(OSError, RecordError):
                fd = self._open(name)
                try:
                    os.stat(_CONTENT, dir_fd=fd, follow_symlinks=False)
                    yield _parse(read(_RECORD, NAME + b"/" + name, dir_fd=fd), name)
                finally:
                    os.close(fd)

    def take(self, stray: Stray, now: float) -> Tidied:
        """Move a stray into the trash.  Raises OSError, also where another thing has its name by now."""
        inside = stray.path[len(stray.persist.rstrip(b"/")) :]
        made = Tidied(b"%d-%s" % (max(0, int(now)), secrets.token_hex(8).encode()), inside, max(0, int(now)))
        directory, name = os.path.split(inside)
        above = openat2.open_directory(self._top, directory)
        try:
            entry = self._make(made)
            try:
                self._move(above, name, entry, stray)
            except OSError:
                self._drop(made.id)
                raise
            finally:
                os.close(entry)
        finally:
            os.close(above)
        return made

    def _move(self, above: int, name: bytes, entry: int, stray: Stray) -> None:
        libc.renameat2(above, name, entry, _CONTENT, libc.RENAME_NOREPLACE)
        if inode_of(os.stat(_CONTENT, dir_fd=entry, follow_symlinks=False)) != stray.inode:
            # It may not be a stray at all.
            libc.renameat2(entry, _CONTENT, above, name, libc.RENAME_NOREPLACE)
            raise OSError(errno.ESTALE, "another thing has its name by now", stray.path)

    def _make(self, made: Tidied) -> int:
        os.mkdir(made.id, 0o700, dir_fd=self._fd)
        fd = self._open(made.id)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(_RECORD, flags, 0o600, dir_fd=fd), "wb") as stream:
                stream.write(_format(made))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def give_back(self, one: Tidied) -> None:
        """Put something back where it was.

        Raises OSError: FileExistsError if something is there, FileNotFoundError if the directory that it was
        in is gone, and for a link on the way.
        """
        directory, name = os.path.split(one.path)
        above = openat2.open_directory(self._top, directory)
        try:
            entry = self._open(one.id)
            try:
                libc.renameat2(entry, _CONTENT, above, name, libc.RENAME_NOREPLACE)
            finally:
                os.close(entry)
        finally:
            os.close(above)
        self._drop(one.id)

    def delete(self, one: Tidied) -> None:
        """Delete something for good.  Raises OSError."""
        copying.remove(self._fd, one.id)

    def sweep(self) -> None:
        """Remove what a run left that was cut between the record and the content."""
        known = {one.id for one in self.entries()}
        for name in map(os.fsencode, os.listdir(self._fd)):
            if _ENTRY.fullmatch(name) and name not in known:
                with contextlib.suppress(OSError):
                    self._drop(name)

    def commit(self) -> None:
        """Put everything onto the disk."""
        libc.syncfs(self._fd)

    def _drop(self, name: bytes) -> None:
        """Remove the directory of something that is not in it any more; with content it stays."""
        fd = self._open(name)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.stat(_CONTENT, dir_fd=fd, follow_symlinks=False)
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_RECORD, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=self._fd)

    def _open(self, name: bytes) -> int:
        return openat2.open_entry(self._fd, name, DIRECTORY)


def _format(one: Tidied) -> bytes:
    lines = [line("PATH", one.path), line("TIME", one.time)]
    return assemble(lines, lambda content: _parse(content, one.id))


def _parse(content: bytes, name: bytes) -> Tidied:
    head, groups = split(content[: LARGEST + 1], NAME + b"/" + name)
    found = head.one("PATH")
    path, _ = head.need("PATH", found)
    time = int(head.need("TIME", head.text("TIME", TIME, "a time")))
    head.finish()
    plain = path.startswith(b"/") and not {b"", b".", b".."} & set(path[1:].split(b"/"))
    if groups or not plain:
        raise head.error("PATH is not a plain path")
    return Tidied(name, path, time)
