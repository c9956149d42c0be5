"""Who has files of the root open for writing: what they write from now on would miss a copy.

Hard facts
    stat(2) of /proc/PID/fd/N gives the device number of the file, which on BTRFS is that of its subvolume:
    it says which files are the root's, whatever is mounted or renamed.
    The flags of a descriptor are in /proc/PID/fdinfo/N; a shared mapping that can be written has `w` and `s`
    in /proc/PID/maps, and outlives the descriptor that it was made with.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..paths import within

_FLAGS = re.compile(rb"^flags:\s*([0-7]+)$", re.MULTILINE)
_SERVICE = re.compile(r"/system\.slice(?:/[^/]+\.slice)*/([^/]+\.service)(?:/|$)")
_MAPPING = re.compile(rb"^\S+ .w.s \S+ ([0-9a-f]+):([0-9a-f]+) \d+ +(/.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that has something open for writing."""

    pid: int
    command: str
    unit: str | None  # its system service; None: it belongs to somebody's session, or to nothing
    path: bytes  # the first such file


def writers(root: bytes, paths: Collection[bytes]) -> list[Writer]:
    """Return who has something below these paths open for writing; one for each process, sorted by number.

    The paths count where they are the root's own; what is mounted there already does not.
    """
    device = os.stat(root).st_dev
    found = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if pid in (os.getpid(), 1):
            continue
        # It may end at any moment.
        with contextlib.suppress(OSError):
            path = next((one for one in _open(pid, device) if any(within(one, path) for path in paths)), None)
            if path is not None:
                found.append(Writer(pid, _command(pid), _unit(pid), path))
    return found


def _open(pid: int, device: int) -> Iterator[bytes]:
    """Yield the paths of the files on a device that a process can write to."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/fdinfo/{name}", "rb") as stream:
                flags = _FLAGS.search(stream.read())
            if flags is None or not int(flags[1], 8) & os.O_ACCMODE:
                continue
            place = f"/proc/{pid}/fd/{name}"
            if os.stat(place).st_dev == device:
                yield _path(os.fsencode(os.readlink(place)))
    with open(f"/proc/{pid}/maps", "rb") as stream:
        for major, minor, path in _MAPPING.findall(stream.read()):
            if os.makedev(int(major, 16), int(minor, 16)) == device:
                yield _path(path)


def _path(shown: bytes) -> bytes:
    return shown.removesuffix(b" (deleted)")


def _command(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as stream:
        return stream.read().strip()


def _unit(pid: int) -> str | None:
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as stream:
        match = _SERVICE.search(stream.read())
    return None if match is None else match[1]
