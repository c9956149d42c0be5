"""The database of rpm, read through rpm itself: only rpm knows its formats (SQLite, ndb, Berkeley).

Where the volume has a database and the machine has no `rpm`, a fault says so, and nothing is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Set

from ...errors import CommandError
from ...kernel import openat2
from ...system import command
from .packages import Packaged

PLACES = (b"usr/lib/sysimage/rpm", b"var/lib/rpm")
FILES = (b"rpmdb.sqlite", b"Packages.db", b"Packages")
SOURCES = tuple(place + b"/" + name for place in PLACES for name in (*FILES, b"rpmdb.sqlite-wal"))
TIMEOUT = 20.0  # seconds

_LIST = "%{NAME}\t%{VERSION}-%{RELEASE}.%{ARCH}\t%{INSTALLTIME}\n"
_FILES = "[%{=NAME}\t%{FILEFLAGS:fflags}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}


class Rpm:
    """The database of rpm in a volume and in its blank."""

    tool = "rpm"
    places: tuple[bytes, ...] = (
        b"/usr/lib/sysimage/rpm",
        b"/var/lib/rpm",
        b"/var/lib/dnf",
        b"/var/cache/dnf",
        b"/var/cache/libdnf5",
    )

    def __init__(self, now: int, blank: int | None) -> None:
        self.faults: dict[str, None] = {}  # an ordered set
        self._now = now
        self._packages = self._ask(now, _LIST, ["--all"])
        before = self._ask(blank, _LIST, ["--all"]) if blank is not None else []
        same = set(before)
        names = {line[0] for line in self._packages}
        self._installed = {_word(line[0]) for line in self._packages if line not in same}
        self._removed = {_word(line[0]) for line in before if line[0] not in names}
        self._blank = blank

    def installed(self) -> Set[str]:
        return self._installed

    def brought(self) -> Set[str]:
        return frozenset()  # only dnf knows this, in a database of its own

    def removed(self) -> Set[str]:
        return self._removed

    def files(self, package: str) -> Iterable[bytes]:
        return (line[3] for line in self._ask(self._now, _FILES, [package]) if len(line) == 4)

    def files_removed(self, package: str) -> Iterable[bytes]:
        assert self._blank is not None
        return (line[3] for line in self._ask(self._blank, _FILES, [package]) if len(line) == 4)

    def _all(self) -> Iterator[tuple[bytes, Packaged, bool]]:
        for line in self._ask(self._now, _FILES, ["--all"]):
            if len(line) == 4:
                name, flags, digest, path = line
                kind = _DIGESTS.get(len(digest))
                digests = f"{kind}:{digest.decode('ascii', 'replace')}" if kind else None
                yield path, Packaged(_word(name), digests), b"c" in flags

    def configuration(self) -> Mapping[bytes, Packaged]:
        return {path: packaged for path, packaged, config in self._all() if config}

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        return {path: packaged for path, packaged, _ in self._all() if path in paths}

    def _ask(self, root: int, form: str, arguments: list[str]) -> list[tuple[bytes, ...]]:
        place = _place(root)
        if place is None:
            return []
        try:
            fd = openat2.open_directory(root, place, os.O_RDONLY)
        except OSError as error:
            self.faults[f"/{os.fsdecode(place)}: {error.strerror}"] = None
            return []
        try:
            database = f"/proc/{os.getpid()}/fd/{fd}"
            output = command.run(
                ["rpm", "--dbpath", database, "--query", "--queryformat", form, *arguments], timeout=TIMEOUT
            )
        except CommandError as error:
            self.faults[error.message] = None
            return []
        finally:
            os.close(fd)
        return [tuple(line.split(b"\t")) for line in output.split(b"\n") if line]


def is_there(root: int) -> bool:
    """Return whether the root has a database of rpm."""
    return _place(root) is not None


def _place(root: int) -> bytes | None:
    for place in PLACES:
        try:
            fd = openat2.open_directory(root, place)
        except OSError:
            continue
        try:
            if any(_exists(name, fd) for name in FILES):
                return place
        finally:
            os.close(fd)
    return None


def _exists(name: bytes, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _word(raw: bytes) -> str:
    return raw.decode("ascii", "replace")
