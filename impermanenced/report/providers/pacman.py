"""pacman's local database, read from its files (alpm-db-files(5), alpm-mtree(5)).

Each installed package is a directory NAME-VERSION-RELEASE with `files` (its paths, and what it calls backup:
configuration with its digest) and `mtree` (every file with its digest, compressed).  A package that is as in
the blank has its directory there under the same name and inode.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Set

from ...kernel import openat2
from ...lazy import regex
from .packages import Packaged

LOCAL = b"var/lib/pacman/local"
LARGEST = 64 << 20  # bytes of one file, also when it is decompressed
MOST = 256 << 20  # bytes that one search reads
_TOO_LARGE = f"the lists of pacman are over {MOST >> 20} MiB: the rest was not read"

_VERSION = regex(rb"-[^-]+-[^-]+$")
_ESCAPED = regex(rb"\\([0-7]{3})")
_DIGEST = regex(rb" (sha256|md5)digest=([0-9a-f]+)")


class Pacman:
    """The local database of pacman in a volume and in its blank."""

    tool = "pacman"
    places: tuple[bytes, ...] = (
        b"/var/lib/pacman",
        b"/var/cache/pacman",
        b"/var/log/pacman.log",
        b"/etc/pacman.d/gnupg",
    )

    def __init__(self, now: int, blank: int | None) -> None:
        self.faults: dict[str, None] = {}  # an ordered set
        self._now, self._blank = now, blank
        self._entries = _packages(now)
        self._before = _packages(blank) if blank is not None else {}
        self._named = (_by_name(self._entries), _by_name(self._before))
        self._left = MOST

    def installed(self) -> Set[str]:
        return {_name(key) for key, inode in self._entries.items() if self._before.get(key) != inode}

    def brought(self) -> Set[str]:
        new = [key for key, inode in self._entries.items() if self._before.get(key) != inode]
        return {_name(key) for key in new if b"%REASON%\n1\n" in self._read(self._now, key, b"desc")}

    def removed(self) -> Set[str]:
        names = {_name(key) for key in self._entries}
        return {_name(key) for key in self._before} - names

    def files(self, package: str) -> Iterable[bytes]:
        return self._files(self._now, self._named[0].get(package, ()))

    def files_removed(self, package: str) -> Iterable[bytes]:
        assert self._blank is not None
        return self._files(self._blank, self._named[1].get(package, ()))

    def _files(self, root: int, keys: Iterable[bytes]) -> Iterator[bytes]:
        for key in keys:
            content = self._read(root, key, b"files") if self._left >= 0 else b""
            self._left -= len(content)
            if self._left < 0:
                self.faults[_TOO_LARGE] = None
                return
            yield from _section(content, b"%FILES%")

    def configuration(self) -> Mapping[bytes, Packaged]:
        found = {}
        for key in self._entries:
            content = self._read(self._now, key, b"files")
            for line in _section(content, b"%BACKUP%"):
                path, _, digest = line.partition(b"\t")
                found[path] = Packaged(_name(key), f"md5:{digest.decode('ascii', 'replace')}")
        return found

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        found: dict[bytes, Packaged] = {}
        budget = MOST
        for key in self._entries:
            content = self._read(self._now, key, b"files")
            budget -= len(content)
            if budget < 0:
                self.faults[_TOO_LARGE] = None
                break
            mine = paths.intersection(_section(content, b"%FILES%"))
            if mine:
                digests = self._digests(key)
                for path in mine:
                    found.setdefault(path, Packaged(_name(key), digests.get(path)))
        return found

    def _digests(self, key: bytes) -> dict[bytes, str]:
        try:
            content = zlib.decompressobj(wbits=31).decompress(self._read(self._now, key, b"mtree"), LARGEST)
        except zlib.error:
            self.faults[f"/{os.fsdecode(LOCAL + b'/' + key)}/mtree cannot be decompressed"] = None
            return {}
        found = {}
        for line in content.split(b"\n"):
            name, _, facts = line.partition(b" ")
            digest = _DIGEST.search(b" " + facts)
            if name.startswith(b"./") and digest:
                path = _ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 255]), name[1:])
                found[path] = f"{digest[1].decode()}:{digest[2].decode()}"
        return found

    def _read(self, root: int, key: bytes, name: bytes) -> bytes:
        path = LOCAL + b"/" + key + b"/" + name
        try:
            content = openat2.read(root, path, LARGEST + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            self.faults[f"/{os.fsdecode(path)}: {error.strerror}"] = None
            return b""
        if len(content) > LARGEST:
            self.faults[f"/{os.fsdecode(path)} is larger than {LARGEST >> 20} MiB and was not read"] = None
            return b""
        return content


def is_there(root: int) -> bool:
    """Return whether the root has a local database of pacman."""
    return _packages(root) != {}


def _packages(root: int) -> dict[bytes, int]:
    try:
        fd = openat2.open_directory(root, LOCAL, os.O_RDONLY)
    except OSError:
        return {}
    try:
        with os.scandir(fd) as entries:
            return {
                os.fsencode(entry.name): entry.inode()
                for entry in entries
                if _VERSION.search(os.fsencode(entry.name)) and entry.is_dir(follow_symlinks=False)
            }
    finally:
        os.close(fd)


def _by_name(entries: Iterable[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for key in entries:
        found.setdefault(_name(key), []).append(key)
    return found


def _name(key: bytes) -> str:
    return _VERSION.sub(b"", key).decode("ascii", "replace")


def _section(content: bytes, title: bytes) -> Iterator[bytes]:
    """Yield the lines of one section, as absolute paths without a slash at the end."""
    inside = False
    for line in content.split(b"\n"):
        if line.startswith(b"%"):
            inside = line == title
        elif inside and line:
            yield b"/" + line.rstrip(b"/")
