"""The compiled set on the disk: replaced as a whole, and given to the system that runs.

    .impermanence/compiled/         what the hook hands over, if the manifest says that all of it is there
        units/ tmpfiles/ early manifest
    /run/systemd/system/            the same units in the system that runs, as the hook would have put them
    there
    /run/impermanence/tmpfiles.d/   and the lines that one of them names
    /usr/local/lib/systemd/system/  in their place, as long as no hook hands anything over; a blank that is
    /etc/impermanence/tmpfiles.d/   taken then has them for good, and what comes by /run goes before these

Hard facts
    BTRFS has all of a transaction on the disk or nothing of it.  So the new set is committed before it gets
    its name, by one exchange of two names.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..kernel import libc
from ..state import COMPILED
from ..volumes.machine import Machine
from . import units

_NEW = COMPILED + b".new"
_UNITS, _LINES = "units/", "tmpfiles/"
_TEMPORARY = b".new"
_WANTS = b"local-fs.target.wants"


@dataclass(frozen=True, slots=True)
class Host:
    """Where a running system has units and lines of tmpfiles.d."""

    units: bytes
    lines: bytes

    def place(self, name: str) -> bytes | None:
        """Return the place of a file of the compiled set, or None if this system has no use for it."""
        for prefix, directory in ((_UNITS, self.units), (_LINES, self.lines)):
            if name.startswith(prefix):
                return os.path.join(directory, os.fsencode(name.removeprefix(prefix)))
        return None


RUN = Host(b"/run/systemd/system", os.fsencode(units.HANDED))
LOCAL = Host(b"/usr/local/lib/systemd/system", b"/etc/impermanence/tmpfiles.d")


def read(machine: Machine) -> dict[str, bytes] | None:
    """Return the compiled files by their paths, or None if there is no set that the hook would hand over."""
    base = machine.at(COMPILED)
    found: dict[str, bytes] = {}
    try:
        for directory, _, names in os.walk(base):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as stream:
                    found[os.fsdecode(path[len(base) + 1 :])] = stream.read()
    except OSError:
        return None
    listed = found.pop(units.MANIFEST, None)
    return found if listed == units.manifest(dict(sorted(found.items()))) else None


def write(machine: Machine, files: Mapping[str, bytes]) -> None:
    """Replace the compiled set.  Raises OSError, and the one before is then still there."""
    new, place = machine.at(_NEW), machine.at(COMPILED)
    _remove(new)
    os.mkdir(new, 0o700)
    for name, content in {**files, units.MANIFEST: units.manifest(files)}.items():
        path = os.path.join(new, os.fsencode(name))
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "xb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(content)
    machine.sync()
    exchange = libc.RENAME_EXCHANGE if os.path.lexists(place) else libc.RENAME_NOREPLACE
    libc.renameat2(machine.top, _NEW, machine.top, COMPILED, exchange)
    machine.sync()
    _remove(new)


def _remove(path: bytes) -> None:
    """Remove a set that nothing refers to, and whatever else has its name."""
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    else:
        shutil.rmtree(path)


def installed(host: Host) -> dict[str, bytes]:
    """Return what a system has of an earlier set, by the names in it."""
    found = {}
    for prefix, directory in ((_UNITS, host.units), (_LINES, host.lines)):
        for path in _ours(Host(directory, directory)):
            found[prefix + os.fsdecode(path[len(directory) + 1 :])] = _content(path) or b""
    return found


def differs(host: Host, files: Mapping[str, bytes]) -> bool:
    """Return whether `install` would change anything."""
    wanted = _wanted(host, files)
    link = os.path.join(host.units, _WANTS, os.fsencode(units.TARGET))
    return (
        any(_content(place) != content for place, content in wanted.items())
        or any(place not in wanted for place in _ours(host))
        or os.path.lexists(link) != bool(wanted)
    )


def install(host: Host, files: Mapping[str, bytes]) -> None:
    """Put the units and lines of the set into a system, and take away those of an earlier one."""
    wanted = _wanted(host, files)
    new = {place: content for place, content in wanted.items() if _content(place) != content}
    for place, content in new.items():
        os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
        with open(place + _TEMPORARY, "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(content)
    _sync(host)
    for place in new:
        os.rename(place + _TEMPORARY, place)
    for place in [*_ours(host)]:  # with what an earlier run left that was cut
        if place not in wanted:
            os.unlink(place)
    # Local filesystems wait for what persists.
    link = os.path.join(host.units, _WANTS, os.fsencode(units.TARGET))
    if wanted and not os.path.lexists(link):
        os.makedirs(os.path.dirname(link), mode=0o755, exist_ok=True)
        os.symlink(b"../" + os.fsencode(units.TARGET), link)
    elif not wanted and os.path.lexists(link):
        os.unlink(link)
    _sync(host)


def _sync(host: Host) -> None:
    """Have what was written there on the disk: one commit for all of it."""
    for directory in (host.units, host.lines):
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                libc.syncfs(fd)
            finally:
                os.close(fd)


def _wanted(host: Host, files: Mapping[str, bytes]) -> dict[bytes, bytes]:
    return {place: content for name, content in files.items() if (place := host.place(name)) is not None}


def _ours(host: Host) -> Iterator[bytes]:
    """Yield the files in a system that an earlier set has put there; each says so itself."""
    for directory in (host.units, host.lines):
        for place, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(place, name)
                if not os.path.islink(path) and (_content(path) or b"").startswith(units.HEAD.encode()):
                    yield path


def _content(path: bytes) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None
