"""The files that the package manager answers for, compared with the blank.

Each reader knows one kind of database, and all give the same answers.  A package that
was installed since the blank is lost as a whole, and is one thing to a person: `nginx`, not its 400 files.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Protocol

from ...lazy import Deferred, NamedTuple, regex
from ...losses import LossClass
from ...model import Change, Difference, FileType, Verdict

hashlib: Any = Deferred("hashlib")

# Directories that were merged into /usr: a package may know a file by either name.
_MERGED = regex(rb"/(?:bin|sbin|lib|lib32|lib64|libx32)/")
_COMPILED = regex(rb"(.*)/__pycache__/([^/]+)\.[^./]+(?:\.opt-[12])?\.pyc")
REMEMBERED = 1 << 14  # directories in the cache
ALTERNATIVES = b"/etc/alternatives/"  # update-alternatives(1) makes a link there, and links to it
_HASHED = 16 << 20  # larger files are not read to see whether they are as packaged


@functools.cache
def _by_scripts() -> re.Pattern[bytes]:
    """Return a pattern of files that triggers and helpers make while packages are configured, and no package
    owns.
    """
    return re.compile(
        rb"/etc/(?:ld\.so\.cache|alternatives(?:/.*)?|(?:group|gshadow|passwd|shadow|subuid|subgid)-|\.pwd\.lock"
        rb"|rc[0-6S]\.d/[SK]\d\d[^/]+|ssl/certs/.*|mailcap|shells)"
        rb"|/var/lib/systemd/deb-systemd-(?:user-)?helper-(?:enabled|masked)(?:/.*)?"
        rb"|/var/lib/(?:pam|ucf|dictionaries-common|python|emacsen-common|xml-core|sgml-base|aspell|ghostscript)(?:/.*)?"
        rb"|/usr/share/(?:mime/.*|applications/mimeinfo\.cache|icons/[^/]+/icon-theme\.cache|info/dir(?:\.old)?"
        rb"|glib-2\.0/schemas/gschemas\.compiled)"
        rb"|/usr/lib/.*/(?:loaders\.cache|giomodule\.cache|immodules\.cache|gconv-modules\.cache)"
        rb"|/boot/(?:initrd\.img-|initramfs-|grub/).*|/usr/lib/modules/[^/]+/modules\.[^/]+|/etc/.*~?\.(?:dpkg-(?:old|dist|new)|pacnew|rpmnew)"
    )


class Packaged(NamedTuple):
    """A file as its package has it."""

    package: str
    digest: str | None  # "md5:..." or "sha256:..."; None if the database does not say


class Reader(Protocol):
    """One kind of package database.

    No method raises for what cannot be read; `faults` says it in words.
    """

    tool: str
    places: tuple[bytes, ...]  # the package manager's own directories and files
    faults: dict[str, None]

    def installed(self) -> Set[str]:
        """Return the packages that were installed since the blank, or replaced by another version."""

    def brought(self) -> Set[str]:
        """Return packages that are only there because others need them; not all need be new."""

    def removed(self) -> Set[str]:
        """Return the packages that were removed since the blank."""

    def files(self, package: str) -> Iterable[bytes]:
        """Yield the absolute paths of a package's files in the volume."""

    def files_removed(self, package: str) -> Iterable[bytes]:
        """Yield the absolute paths of a removed package's files in the blank."""

    def configuration(self) -> Mapping[bytes, Packaged]:
        """Return the files that a person is meant to edit, by path."""

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        """Return those of the paths that packages own."""


class PackageFinding(NamedTuple):
    """A verdict of the package manager, and why."""

    verdict: Verdict
    rule: str
    package: str = ""  # the package that the file is lost with
    loss: LossClass | None = None
    bookkeeping: bool = False  # `package` is the package manager, which keeps the file for itself


def _edited(words: str) -> PackageFinding:
    """Return the finding that a file is a package's, and not as the package has it."""
    return PackageFinding(Verdict.CRUD, words, "", LossClass.CONFIG)


def _part_of(package: str, words: str, *, bookkeeping: bool = False) -> PackageFinding:
    """Return the finding that a file goes with a package, or with the package manager itself."""
    return PackageFinding(Verdict.CRUD, words, package, LossClass.UNKNOWN, bookkeeping)


def _target(difference: Difference) -> bytes:
    """Return the absolute path that a link leads to, or b"" for anything but a link."""
    if difference.target is None:
        return b""
    target = os.path.normpath(os.path.join(os.path.dirname(difference.path), difference.target))
    return b"/" + target.lstrip(b"/")


def digest_as(kind: str, content: bytes) -> str:
    """Return the digest of the content, written and computed as `kind` is ("md5:...")."""
    algorithm = kind.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"


_PACKAGED = regex(rb"/(?:usr(?!/local/)|bin|sbin|lib|lib32|lib64|libx32|boot|etc|opt|var/lib|var/cache|srv)/")


def may_be_packaged(path: bytes) -> bool:
    """Return whether packages own anything near this path; others need no search in their long lists."""
    return _PACKAGED.match(path) is not None


class _Place:
    """The facts that hold for everything in one directory; thousands of differences share them."""

    __slots__ = ("books", "etc", "other", "packaged")

    def __init__(self, directory: bytes, books: Iterable[bytes]) -> None:
        inside = directory + b"/"
        self.packaged = may_be_packaged(inside)
        self.etc = inside.startswith(b"/etc/")
        self.books = any(inside.startswith(place + b"/") for place in books)
        self.other: bytes | None = None  # the other name that a package may know it by
        if inside.startswith(b"/usr/") and _MERGED.match(inside, 4):
            self.other = directory[4:]
        elif _MERGED.match(inside):
            self.other = b"/usr" + directory


class Packages:
    """The verdicts of the package manager on the differences of one volume.

    `read` returns the content of a file of the volume, up to a limit, or raises OSError.
    """

    def __init__(self, reader: Reader, read: Callable[[bytes, int], bytes]) -> None:
        self._reader = reader
        self._read = read
        self.tool = reader.tool
        self._owner: dict[bytes, str] = {}
        self._gone: dict[bytes, str] = {}
        self.installed = reader.installed()
        self.brought = reader.brought() if self.installed else frozenset()
        for package in sorted(self.installed):
            self._owner.update(dict.fromkeys(reader.files(package), package))
        removed = reader.removed()
        for package in sorted(removed):
            self._gone.update(dict.fromkeys(reader.files_removed(package), package))
        self._configuration: Mapping[bytes, Packaged] | None = None
        self._asked: set[bytes] = set()
        self._known: dict[bytes, Packaged] = {}
        self._places: dict[bytes, _Place] = {}

    @property
    def faults(self) -> list[str]:
        """Return what could not be read of the database, in words."""
        return list(self._reader.faults)

    def learn(self, differences: Iterable[Difference]) -> None:
        """Ask who owns the paths of these differences, with one search of the whole database."""
        wanted: set[bytes] = set()
        owner, asked = self._owner, self._asked
        for difference in differences:
            path = difference.path
            place, other = self._look(path)
            if place.packaged and path not in asked and path not in owner:
                if other is None:
                    wanted.add(path)
                elif other not in owner:
                    wanted |= {path, other}
        if wanted:
            self._known.update(self._reader.owners(frozenset(wanted)))
            self._asked |= wanted

    def find(self, difference: Difference) -> PackageFinding | None:
        """Return what the database says of this path, or None if it says nothing."""
        path = difference.path
        place, other = self._look(path)
        if place.etc and difference.type is FileType.FILE:
            found = self._conffile(difference)
            if found is not None:
                return found
        if self._owner or self._gone or self.installed:
            found = self._part(difference, place, other)
            if found is not None:
                return found
        packaged = self._known.get(path)
        if packaged is None and other is not None:
            packaged = self._known.get(other)
        return self._packaged(difference, packaged) if packaged is not None else None

    def _look(self, path: bytes) -> tuple[_Place, bytes | None]:
        """Return the facts of the directory, and the path's other name."""
        cut = path.rfind(b"/")
        directory = path[:cut]
        place = self._places.get(directory)
        if place is None:
            if len(self._places) > REMEMBERED:
                self._places.clear()
            place = self._places[directory] = _Place(directory, self._reader.places)
        return place, None if place.other is None else place.other + path[cut:]

    def _conffile(self, difference: Difference) -> PackageFinding | None:
        path = difference.path
        if self._configuration is None:
            self._configuration = self._reader.configuration()
        packaged = self._configuration.get(path)
        if packaged is None:
            return None
        package, digest = packaged
        if difference.change is Change.DELETED:
            return _edited(f"configuration of the package {package}, deleted")
        if digest is not None and self._digest(path, digest, difference.size) not in (digest, None):
            return _edited(f"configuration of the package {package}, not as packaged")
        return None

    def _part(self, difference: Difference, place: _Place, other: bytes | None) -> PackageFinding | None:
        path = difference.path
        if difference.change is Change.DELETED:
            gone = self._gone.get(path) or self._gone.get(other or b"")
            if gone is not None:
                return _part_of(gone, f"the package {gone} was removed")
            return None
        package = self._owner.get(path)
        if package is None and other is not None:
            package = self._owner.get(other)
        if package is None and difference.target is not None:
            package = self._linked(difference)
        if package is None and path.endswith((b".pyc", b"/__pycache__")):
            package = self._compiled(path)
        if package is not None:
            return _part_of(package, f"part of the package {package}, installed since the blank")
        if place.books or path in self._reader.places:
            return _part_of(self.tool, f"what {self.tool} knows of the packages", bookkeeping=True)
        alternative = _target(difference).startswith(ALTERNATIVES)
        if place.packaged and (alternative or _by_scripts().fullmatch(path)):
            return _part_of(self.tool, "made while packages were installed", bookkeeping=True)
        return None

    def _fresh(self, path: bytes) -> str | None:
        """Return the package that the path came with, if that was installed since the blank."""
        _, other = self._look(path)
        return self._owner.get(path) or self._owner.get(other or b"")

    def _linked(self, difference: Difference) -> str | None:
        """Return the package of the link's target: a package's script may have made the link."""
        target = _target(difference)
        return self._fresh(target) if target else None

    def _compiled(self, path: bytes) -> str | None:
        if path.endswith(b"/__pycache__"):
            return self._fresh(path[: -len(b"/__pycache__")])
        match = _COMPILED.fullmatch(path)
        return self._fresh(match[1] + b"/" + match[2] + b".py") if match else None

    def _packaged(self, difference: Difference, packaged: Packaged) -> PackageFinding | None:
        """Judge a file of a package that was already in the blank."""
        path = difference.path
        package, digest = packaged
        as_packaged = f"as the package {package} has it"
        if difference.change is Change.DELETED:
            return _edited(f"belongs to the package {package}, and was deleted")
        if difference.type is FileType.DIRECTORY:
            return (
                PackageFinding(Verdict.REGENERATED, as_packaged)
                if difference.change is Change.CREATED
                else None
            )
        if difference.type is FileType.SYMLINK and difference.change is Change.CREATED:
            return PackageFinding(Verdict.REGENERATED, as_packaged)  # no database has the targets of links
        if difference.letters == "......m":
            return PackageFinding(Verdict.REGENERATED, f"{as_packaged}, but for its time")
        if digest is not None and difference.type is FileType.FILE:
            held = self._digest(path, digest, difference.size)
            if held == digest and difference.change is not Change.METADATA:
                return PackageFinding(Verdict.REGENERATED, as_packaged)
            if held not in (digest, None):
                return _edited(f"belongs to the package {package}, but is not as packaged")
        return _edited(f"belongs to the package {package}, and was changed")

    def _digest(self, path: bytes, kind: str, size: int) -> str | None:
        """Return the file's digest as `kind` is written, or None if the file cannot be read or is
        too large.
        """
        if size > _HASHED:
            return None
        try:
            return digest_as(kind, self._read(path, _HASHED))
        except (OSError, ValueError):
            return None
