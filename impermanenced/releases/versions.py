"""The packages of two roots beside each other: which were installed, upgraded and removed.

Only names and versions are read here; which files they have, `report/providers` knows.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CommandError
from ..kernel import openat2
from ..lazy import regex
from ..report.providers import dpkg, pacman, rpm
from ..system import command

_FIELD = regex(rb"^(Package|Status|Architecture|Version): (.*)$", re.MULTILINE)
_PACMAN = regex(rb"(.+)-([^-]+-[^-]+)")
_LIST = "%{NAME}.%{ARCH}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n"


class Manager(enum.StrEnum):
    """The package managers whose databases are read."""

    DPKG = "dpkg"
    PACMAN = "pacman"
    RPM = "rpm"


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of a root."""

    manager: Manager | None  # None: there is no database that is known
    versions: Mapping[str, str]  # by name, with the architecture behind a colon or a dot


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is not the same in two roots."""

    name: str
    before: str | None  # its version; None: it is new
    after: str | None  # None: it is gone


def installed(root: int) -> Installed:
    """Return the packages of the root at a descriptor.  Raises CommandError where rpm alone could say."""
    with contextlib.suppress(OSError):
        return Installed(Manager.DPKG, _of_dpkg(openat2.read(root, dpkg.STATUS, dpkg.LARGEST)))
    with contextlib.suppress(OSError):
        return Installed(Manager.PACMAN, _of_pacman(openat2.names(root, pacman.LOCAL)))
    for place in rpm.PLACES:
        with contextlib.suppress(OSError):
            if set(openat2.names(root, place)) & set(rpm.FILES):
                return Installed(Manager.RPM, _of_rpm(root))
    return Installed(None, {})


def differing(before: Installed, after: Installed) -> list[Package]:
    """Return the packages that differ, sorted by name."""
    names = sorted(before.versions.keys() | after.versions.keys())
    pairs = ((name, before.versions.get(name), after.versions.get(name)) for name in names)
    return [Package(*pair) for pair in pairs if pair[1] != pair[2]]


def _of_dpkg(content: bytes) -> dict[str, str]:
    found = {}
    for stanza in content.split(b"\n\n"):
        fields = {key: value.strip() for key, value in _FIELD.findall(stanza)}
        is_there = fields.get(b"Status", b"").split()[-1:] == [b"installed"]
        if is_there and {b"Package", b"Version"} <= fields.keys():
            name = _word(fields[b"Package"])
            architecture = _word(fields.get(b"Architecture", b"all"))
            found[f"{name}:{architecture}"] = _word(fields[b"Version"])
    return found


def _of_pacman(names: list[bytes]) -> dict[str, str]:
    matches = filter(None, map(_PACMAN.fullmatch, names))
    return {_word(match[1]): _word(match[2]) for match in matches}


def _of_rpm(root: int) -> dict[str, str]:
    place = b"/proc/%d/fd/%d" % (os.getpid(), root)
    try:
        said = command.run(["rpm", "--root", place, "--query", "--all", "--queryformat", _LIST])
    except CommandError as error:
        raise CommandError(f"the packages are not known: {error.message}", error.hint) from None
    lines = (line.split(b"\t") for line in said.splitlines())
    return {_word(line[0]): _word(line[1]) for line in lines if len(line) == 2}


def _word(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")
