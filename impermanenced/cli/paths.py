"""The paths on the command line: which path of the volumes' system each means, and where that is
found here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from ..config.values import Where
from ..config.values import path_of as configured_path
from ..errors import ConfigError, UsageError
from ..model import Report, Volume
from ..text import from_text


def directory(path: bytes) -> bytes:
    """Return what a path is relative to; an absolute path needs no current directory."""
    return b"/" if path.startswith(b"/") else os.getcwdb()


def absolute(path: bytes, cwd: bytes) -> bytes:
    """Return the absolute path without dots and doubled slashes."""
    # POSIX leaves two leading slashes alone, and so does normpath.
    return b"/" + os.path.normpath(os.path.join(cwd, path)).lstrip(b"/")


def moved(path: bytes, above: bytes, below: bytes) -> bytes | None:
    """Return the path with one of its ancestors replaced by another directory, or None if it has no such
    ancestor.
    """
    if path == above:
        return below
    inside = above.rstrip(b"/") + b"/"
    return below.rstrip(b"/") + b"/" + path[len(inside) :] if path.startswith(inside) else None


class HasVolumes(Protocol):
    """A report, or a machine."""

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Return the volumes."""


def candidates(report: HasVolumes, argument: bytes, cwd: bytes) -> Iterator[bytes]:
    """Yield what a path on the command line may mean in the volumes' system, the likeliest first."""
    readings = [argument]
    if b"\\" in argument:
        with contextlib.suppress(UsageError):  # a name may have a backslash of its own
            readings.append(from_text(os.fsdecode(argument)))
    for reading in readings:
        path = absolute(reading, cwd)
        for volume in report.volumes:
            inside = moved(path, volume.mountpoint, volume.path)
            if volume.mountpoint != volume.path and inside is not None:
                yield inside
        yield path
        parent, name = os.path.split(path)
        if name and location(report, path) == path:  # another system's links are not ours to follow
            yield os.path.join(os.path.realpath(parent), name)


def meant(report: Report, argument: bytes, cwd: bytes) -> bytes:
    """Return the candidate that differs from the blank, or else one that exists, or else the likeliest."""
    changed = {entry.difference.path for entry in report.entries}
    return likely(report, argument, cwd, changed.__contains__)


def likely(report: HasVolumes, argument: bytes, cwd: bytes, known: Callable[[bytes], bool]) -> bytes:
    """Return the candidate that is known, or else one that exists, or else the likeliest."""
    found = list(dict.fromkeys(candidates(report, argument, cwd)))
    for path in found:
        if known(path):
            return path
    for path in found:
        if os.path.lexists(location(report, path)):
            return path
    return found[0]


def location(report: HasVolumes, path: bytes) -> bytes:
    """Return where in the running system a path of the volumes' system is found."""
    best, where = b"", path
    for volume in report.volumes:
        here = moved(path, volume.path, volume.mountpoint)
        if here is not None and len(volume.path) > len(best):
            best, where = volume.path, here
    return where


def persist_volume(asked: bytes, option: str) -> bytes:
    """Return the path of a persist volume that an option names.  Raises UsageError if it cannot be one."""
    try:
        path = configured_path(os.fsdecode(asked), Where(option))
    except ConfigError as error:
        raise UsageError(error.message, error.hint) from None
    if path == b"/":
        raise UsageError(f"{option} /: the persist volume cannot be /", f"for example {option} /persist")
    return path
