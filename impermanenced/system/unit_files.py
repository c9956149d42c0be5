"""The units that directories belong to, by StateDirectory= and its like (systemd.exec(5)).

The manager of a running system knows this for its loaded units (`systemd1`).  For any other system, and where
there is no bus, the unit files of the volume say it: for each name the file in the first place counts, with
its drop-ins.  What only the manager can resolve (templates, most specifiers) is left out.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from ..kernel import openat2
from ..lazy import NamedTuple, regex
from ..paths import Inherited

STATE, CACHE, LOGS, CONFIGURATION, RUNTIME = "state", "cache", "logs", "configuration", "runtime"

KINDS: Mapping[str, tuple[str, bytes]] = {
    "StateDirectory": (STATE, b"/var/lib/"),
    "CacheDirectory": (CACHE, b"/var/cache/"),
    "LogsDirectory": (LOGS, b"/var/log/"),
    "ConfigurationDirectory": (CONFIGURATION, b"/etc/"),
    "RuntimeDirectory": (RUNTIME, b"/run/"),
}
WORDS = {
    STATE: "state",
    CACHE: "cache",
    LOGS: "log",
    CONFIGURATION: "configuration",
    RUNTIME: "runtime directory",
}
PLACES = (
    b"/etc/systemd/system", b"/run/systemd/system", b"/usr/local/lib/systemd/system",
    b"/usr/lib/systemd/system", b"/lib/systemd/system",
)  # fmt: skip
LARGEST = 256 << 10  # bytes of a unit file
MOST = 5000  # unit files of a system
LONGEST = 200  # characters of a description

_SETTING = regex(
    rb"^[ \t]*((?:State|Cache|Logs|Configuration|Runtime)Directory|DynamicUser|Description)"
    rb"[ \t]*=[ \t]*((?:[^\\\n]|\\.|\\\n)*)$",
    re.MULTILINE,
)
_NAME = regex(rb"[A-Za-z0-9:_.\\-]+\.(?:service|socket|mount|swap)")


class Owner(NamedTuple):
    """The unit that a directory belongs to, and as what."""

    unit: str
    kind: str  # one of WORDS
    description: str = ""  # `Description=` of the unit


class Units:
    """The directories of units, which are asked path by path."""

    def __init__(self, directories: Mapping[bytes, Owner]) -> None:
        self._directories = directories
        self._around: Inherited[tuple[bytes, Owner] | None] = Inherited(
            None, functools.partial(_of_directory, directories)
        )

    def of(self, path: bytes) -> tuple[bytes, Owner] | None:
        """Return the unit's directory that the path is or lies in, and its owner, or None."""
        return _of_directory(self._directories, self._around[path[: path.rfind(b"/")]], path)


def _of_directory(
    directories: Mapping[bytes, Owner], above: tuple[bytes, Owner] | None, path: bytes
) -> tuple[bytes, Owner] | None:
    owner = directories.get(path)
    return above if owner is None else (path, owner)


def directories(
    unit: str, setting: str, values: Iterable[str], *, dynamic: bool, description: str = ""
) -> Iterator[tuple[bytes, Owner]]:
    """Yield the directories of one setting of one unit; a value may have a link's name behind a colon."""
    kind, above = KINDS[setting]
    for value in values:
        relative = os.path.normpath(os.fsencode(value.partition(":")[0]))
        if relative in (b".", b"/") or relative.startswith((b"/", b"..")):
            continue
        owner = Owner(unit, kind, description[:LONGEST])
        yield above + relative, owner
        if dynamic and kind in (STATE, CACHE, LOGS):
            yield above + b"private/" + relative, owner


def files_of(root: int, names: re.Pattern[bytes]) -> dict[bytes, list[bytes]]:
    """Return {name: its file and its drop-ins} of the units whose name fits; `root` is a descriptor of a
    system's root.
    """
    files: dict[bytes, list[bytes]] = {}
    for place in PLACES:
        for name in _names(root, place):
            if names.fullmatch(name) and name not in files and len(files) < MOST:
                files[name] = [place + b"/" + name]
    for place in reversed(PLACES):
        for name in _names(root, place):
            unit = name.removesuffix(b".d")
            if unit != name and unit in files:
                drop_ins = sorted(one for one in _names(root, place + b"/" + name) if one.endswith(b".conf"))
                files[unit] += [place + b"/" + name + b"/" + one for one in drop_ins]
    return files


def from_files(root: int) -> Units:
    """Return what the unit files of a system say; `root` is a descriptor of its root."""
    files = files_of(root, _NAME)
    found: dict[bytes, Owner] = {}
    for name in sorted(files):
        content = b"\n".join(read_file(root, path) for path in files[name])
        if b"Directory" in content:
            found.update(_parse(os.fsdecode(name), content))
    return Units(found)


def _parse(unit: str, content: bytes) -> Iterator[tuple[bytes, Owner]]:
    values: dict[str, list[str]] = {}
    dynamic, description = False, ""
    stem = unit.rpartition(".")[0]
    for key, raw in _SETTING.findall(content):
        setting, text = key.decode(), os.fsdecode(raw.replace(b"\\\n", b" ")).strip()
        if setting == "DynamicUser":
            dynamic = text.lower() in ("1", "yes", "y", "true", "t", "on")
        elif setting == "Description":
            description = text
        elif not text:  # an empty value removes those before it
            values[setting] = []
        else:
            words = (word.strip("\"'") for word in text.split())
            values.setdefault(setting, []).extend(
                word.replace("%p", stem).replace("%N", stem).replace("%n", unit) for word in words
            )
    for setting, named in values.items():
        plain = (one for one in named if "%" not in one)
        yield from directories(unit, setting, plain, dynamic=dynamic, description=description)


def _names(root: int, place: bytes) -> list[bytes]:
    try:
        fd = openat2.open_directory(root, place, os.O_RDONLY)
    except OSError:
        return []
    try:
        return [os.fsencode(name) for name in os.listdir(fd)]
    finally:
        os.close(fd)


def read_file(root: int, path: bytes) -> bytes:
    """Return the content of a unit file, or b"" if it is none, or a link."""
    try:
        return openat2.read(root, path, LARGEST)
    except OSError:  # a link to /dev/null masks a unit; one to another unit is an alias
        return b""
