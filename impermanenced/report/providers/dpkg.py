"""dpkg's database, read from its files (deb-md5sums(5), dpkg-query(1)).

Hard facts
    dpkg renames a new `info/NAME.list` into place whenever NAME is unpacked, so a package that is as in the
    blank has there the inode that it has in the volume.  Listing the directory gives the inodes.
    `status` is replaced by rename as well; a copy of it is half-written only where somebody else wrote it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set

from ...kernel import openat2
from ...lazy import regex
from .packages import Packaged
from .path_index import PathIndex

DATABASE = b"var/lib/dpkg"
INFO = DATABASE + b"/info"
STATUS = DATABASE + b"/status"
APT = b"var/lib/apt/extended_states"
UCF = b"var/lib/ucf"  # ucf(1): configuration that the scripts of packages make, with its original digests
SOURCES = (INFO, STATUS, APT, UCF + b"/registry", UCF + b"/hashfile")
LARGEST = 64 << 20  # bytes of one file
MOST = 256 << 20  # bytes of all lists that one search reads

_TOO_LARGE = f"the lists of dpkg are over {MOST >> 20} MiB: the rest was not read"
_CONFFILE = regex(rb"^ (/\S[^\n]*?) ([0-9a-f]{32})(?: obsolete)?(?: remove-on-upgrade)?$", re.MULTILINE)
_PACKAGE = regex(rb"^Package: (\S+)$", re.MULTILINE)


class Dpkg:
    """The database of dpkg in a volume and in its blank."""

    tool = "dpkg"
    places: tuple[bytes, ...] = (
        b"/var/lib/dpkg",
        b"/var/lib/apt",
        b"/var/log/apt",
        b"/var/log/dpkg.log",
        b"/var/log/alternatives.log",
    )

    def __init__(self, now: int, blank: int | None) -> None:
        """Read both databases, through descriptors of the roots."""
        self.faults: dict[str, None] = {}  # an ordered set
        self._now, self._blank = now, blank
        self._lists = _lists(now)
        self._before = _lists(blank) if blank is not None else {}
        self._named = (_by_name(self._lists), _by_name(self._before))
        self._left = MOST
        self._registered: dict[bytes, str] | None = None
        self._index: PathIndex | None = None  # of the paths that packages own
        self._passes = 0  # through all lists

    def installed(self) -> Set[str]:
        return {_name(key) for key, inode in self._lists.items() if self._before.get(key) != inode}

    def brought(self) -> Set[str]:
        blocks = self._read(self._now, APT).split(b"\n\n")
        automatic = (_PACKAGE.search(block) for block in blocks if b"\nAuto-Installed: 1" in block)
        return {name[1].decode("ascii", "replace") for name in automatic if name}

    def removed(self) -> Set[str]:
        return {_name(key) for key in self._before.keys() - self._lists.keys()}

    def files(self, package: str) -> Iterable[bytes]:
        yield from self._files(self._now, self._named[0].get(package, ()))
        yield from (path for path, owner in self._by_ucf().items() if owner == package)

    def files_removed(self, package: str) -> Iterable[bytes]:
        assert self._blank is not None
        return self._files(self._blank, self._named[1].get(package, ()))

    def _files(self, root: int, keys: Iterable[bytes]) -> Iterator[bytes]:
        for key in keys:
            content = self._read(root, INFO + b"/" + key + b".list") if self._left >= 0 else b""
            self._left -= len(content)
            if self._left < 0:
                self.faults[_TOO_LARGE] = None
                return
            yield from _paths(content)

    def configuration(self) -> Mapping[bytes, Packaged]:
        status = self._read(self._now, STATUS)
        if status and not status.endswith(b"\n"):
            self.faults["the status of dpkg ends in the middle of a line: the rest is not known"] = None
        found = {}
        for block in status.split(b"\n\n"):
            if b"\nConffiles:" in block and (name := _PACKAGE.search(block)):
                package = name[1].decode("ascii", "replace")
                for path, digest in _CONFFILE.findall(block, block.index(b"\nConffiles:")):
                    found[path] = Packaged(package, f"md5:{digest.decode()}")
        for digest, path in _columns(self._read(self._now, UCF + b"/hashfile")):
            package = self._by_ucf().get(path, "")
            if package and len(digest) == 32:
                found.setdefault(path, Packaged(package, f"md5:{digest.decode('ascii', 'replace')}"))
        return found

    def _by_ucf(self) -> Mapping[bytes, str]:
        if self._registered is None:
            lines = _columns(self._read(self._now, UCF + b"/registry"))
            self._registered = {path: _name(package) for package, path in lines}
        return self._registered

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        if self._index is not None:
            paths = frozenset(filter(self._index.may_have, paths))
        if not paths:
            return {}
        # Who asks once has no use for an index, and who asks twice asks again and again.
        index = PathIndex() if self._passes == 1 else None
        self._passes += 1
        found: dict[bytes, Packaged] = {}
        budget = MOST
        for key in self._lists:
            content = self._read(self._now, INFO + b"/" + key + b".list")
            budget -= len(content)
            if budget < 0:
                self.faults[_TOO_LARGE] = None
                break
            lines = content.split(b"\n")
            if index is not None:
                index.add(lines)
            mine = paths.intersection(lines)
            if mine:
                digests = self._digests(key)
                for path in mine:
                    found.setdefault(path, Packaged(_name(key), digests.get(path)))
        if index is not None:
            self._index = index
        return found

    def _digests(self, key: bytes) -> dict[bytes, str]:
        found = {}
        for line in self._read(self._now, INFO + b"/" + key + b".md5sums").split(b"\n"):
            digest, _, path = line.partition(b"  ")
            if len(digest) == 32 and path:
                found[b"/" + path] = f"md5:{digest.decode('ascii', 'replace')}"
        return found

    def _read(self, root: int, path: bytes) -> bytes:
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
    """Return whether the root has a database of dpkg."""
    return _lists(root, at_most=1) != {}


def _lists(root: int, at_most: int | None = None) -> dict[bytes, int]:
    """Return {name, or name:architecture: inode} of the lists."""
    try:
        fd = openat2.open_directory(root, INFO, os.O_RDONLY)
    except OSError:
        return {}
    found = {}
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.name.endswith(".list"):
                    found[os.fsencode(entry.name[:-5])] = entry.inode()
                    if len(found) == at_most:
                        break
    finally:
        os.close(fd)
    return found


def _by_name(lists: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Return the lists of each package name: a package may be installed for several architectures."""
    found: dict[str, list[bytes]] = {}
    for key in lists:
        found.setdefault(_name(key), []).append(key)
    return found


def _name(key: bytes) -> str:
    return key.partition(b":")[0].decode("ascii", "replace")


def _columns(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the words of each line that has two, the second of them a path."""
    for line in content.split(b"\n"):
        first, _, path = line.partition(b" ")
        if path.strip().startswith(b"/"):
            yield first, path.strip()


def _paths(content: bytes) -> Iterator[bytes]:
    for line in content.split(b"\n"):
        if line.startswith(b"/") and line != b"/.":
            yield line
