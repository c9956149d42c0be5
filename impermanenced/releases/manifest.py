"""The manifest of a release: a line for each name, and the SHA-256 of all lines.

Two releases of one manifest hold the same, wherever they lie: type, mode, owner, group, size, number of a
device, target of a link, extended attributes (ACLs and capabilities are such), and the content of every file.
Times are left out: a package that is installed twice has two.

Reading everything takes as long as the disk does, so what a release has from the one before is not read
again: its tree says which inodes changed since the snapshot, a snapshot keeps inode numbers, and the manifest
before has the digest of each.  Whether somebody has written to a release since it was closed needs no
manifest: BTRFS knows the transaction of the last change (`Release.transid`), and one tree search finds which
paths.
"""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import io
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import RecordError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOATIME | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME | os.O_CLOEXEC
_PIECE = 1 << 20
_LARGEST = 1 << 30  # bytes of a manifest that are read back
_NONE = b"-"


@dataclass(frozen=True, slots=True)
class Line:
    """One name in a release."""

    path: bytes  # from the root of the volume, with a slash
    inode: int
    facts: bytes  # type and mode, owner, group, size, device
    digest: bytes  # of the content, or of a link's target; - without either
    attributes: bytes  # digest of the extended attributes; - without any

    @property
    def content(self) -> bytes:
        """Return what counts for the hash; the inode does not."""
        return b" ".join((self.facts, self.digest, self.attributes, self.path))


@dataclass(frozen=True, slots=True)
class Manifest:
    """All names of a release, sorted by path."""

    lines: tuple[Line, ...]

    @property
    def digest(self) -> str:
        """Return the SHA-256 of all lines."""
        found = hashlib.sha256()
        for line in self.lines:
            found.update(line.content + b"\0")
        return found.hexdigest()

    @property
    def size(self) -> int:
        """Return the bytes of all regular files."""
        return sum(int(line.facts.split(b" ")[3]) for line in self.lines if line.facts[:2] == b"10")


def read(
    root: int,
    known: Mapping[int, Line] | None = None,
    changed: Iterable[int] = (),
    progress: Callable[[int], None] = lambda files: None,
) -> Manifest:
    """Return the manifest of the tree at a descriptor.

    `known` are lines of a release that this one is a snapshot of, by inode, and `changed` the inodes that
    are not as they were there.  Raises OSError.
    """
    stale = set(changed)
    reuse = {} if known is None else {inode: line for inode, line in known.items() if inode not in stale}
    lines = []
    for number, (path, directory, name) in enumerate(_walk(root)):
        lines.append(_line(path, directory, name, reuse))
        if number % 1000 == 0:
            progress(number)
    return Manifest(tuple(sorted(lines, key=lambda line: line.path)))


def _walk(root: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield (path, descriptor of its directory, name) of every name, the root as `.` in itself.

    What is mounted in the tree is not entered, and a link is not followed.
    """
    device = os.fstat(root).st_dev
    yield b"/", root, b"."
    waiting = [b"/"]
    while waiting:
        above = waiting.pop()
        fd = _open_below(root, above)
        try:
            for text in os.listdir(fd):
                name = os.fsencode(text)
                path = above.rstrip(b"/") + b"/" + name
                yield path, fd, name
                facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                    waiting.append(path)
        finally:
            os.close(fd)


def _open_below(root: int, path: bytes) -> int:
    """Return a descriptor of a directory, however long its path is."""
    here = os.dup(root)
    try:
        for name in filter(None, path.split(b"/")):
            below = os.open(name, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
        # A descriptor lists from where it was read to before.
        listed = os.open(b".", _DIRECTORY, dir_fd=here)
    finally:
        os.close(here)
    return listed


def _line(path: bytes, directory: int, name: bytes, reuse: Mapping[int, Line]) -> Line:
    facts = os.stat(name, dir_fd=directory, follow_symlinks=False)
    size = facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    device = facts.st_rdev if stat.S_ISBLK(facts.st_mode) or stat.S_ISCHR(facts.st_mode) else 0
    text = b"%06o %d %d %d %d" % (facts.st_mode, facts.st_uid, facts.st_gid, size, device)
    before = reuse.get(facts.st_ino)
    if before is not None and before.facts == text:
        return Line(path, facts.st_ino, text, before.digest, before.attributes)
    digest = _NONE
    if stat.S_ISREG(facts.st_mode):
        digest = _of_file(directory, name)
    elif stat.S_ISLNK(facts.st_mode):
        digest = _of(os.readlink(name, dir_fd=directory))
    return Line(path, facts.st_ino, text, digest, _of_attributes(directory, name))


def _of(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _of_file(directory: int, name: bytes) -> bytes:
    found = hashlib.sha256()
    with open(os.open(name, _FILE, dir_fd=directory), "rb", buffering=0) as stream:
        while piece := stream.read(_PIECE):
            found.update(piece)
    return found.hexdigest().encode()


def _of_attributes(directory: int, name: bytes) -> bytes:
    place = b"/proc/self/fd/%d/%s" % (directory, name)
    try:
        names = sorted(os.listxattr(place, follow_symlinks=False))
        if not names:
            return _NONE
        values = (os.getxattr(place, one, follow_symlinks=False) for one in names)
        pairs = (os.fsencode(one) + b"\0" + value for one, value in zip(names, values, strict=True))
        return _of(b"\0\0".join(pairs))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return _NONE


# As a file


def pack(manifest: Manifest) -> bytes:
    """Return a manifest as the bytes of its file: gzip, lines that end in NUL."""
    lines = (b"%d %s\0" % (line.inode, line.content) for line in manifest.lines)
    return gzip.compress(b"".join(lines), compresslevel=3, mtime=0)


def unpack(content: bytes) -> Manifest:
    """Return the manifest of a file.  Raises RecordError."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            # A read of that size would want that much memory, whatever there is to be read.
            pieces = iter(functools.partial(stream.read, _PIECE), b"")
            text = b"".join(itertools.islice(pieces, _LARGEST // _PIECE))
        return Manifest(tuple(_unpacked(line) for line in text.split(b"\0")[:-1]))
    except (OSError, EOFError, ValueError) as error:
        raise RecordError(f"the manifest cannot be read: {error}") from None


def _unpacked(line: bytes) -> Line:
    inode, *facts, digest, attributes, path = line.split(b" ", 8)
    return Line(path, int(inode), b" ".join(facts), digest, attributes)
