"""Declarations out of what a machine mounts already: bind mounts of a persist volume, now or by fstab(5)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..boots.doctor import fstab_lines
from ..config.placement import BIND, Ownership, Placement
from ..kernel import openat2
from ..kernel.mounts import Mount
from ..model import Declaration
from ..paths import within
from ..text import to_text

LARGEST = 1 << 20  # bytes of an fstab
_FLEETING = (b"/dev", b"/proc", b"/run", b"/sys")


@dataclass(frozen=True, slots=True)
class Bind:
    """One bind mount: its source and its place, paths of the system, and where it was found."""

    source: bytes
    path: bytes
    by: str

    @property
    def store(self) -> bytes | None:
        """Return the persist volume below which the source has the path of the place, or None."""
        above = self.source.removesuffix(self.path)
        return above if above and above != self.source else None


def find(root: bytes, table: Sequence[Mount]) -> Iterator[Bind]:
    """Yield the bind mounts of a system whose "/" is mounted at `root`, each place once."""
    seen: set[bytes] = set()
    for one in (*_of_fstab(root), *_of_table(root, table)):
        if one.path not in seen and not any(within(one.path, fleeting) for fleeting in _FLEETING):
            seen.add(one.path)
            yield one


def in_fstab(root: bytes, path: bytes) -> list[int]:
    """Return the lines of a system's fstab that mount something at a path."""
    return [number for number, (_, place, _, _) in _fstab(root) if _plain(place) == path]


def _fstab(root: bytes) -> Iterator[tuple[int, list[bytes]]]:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield from fstab_lines(openat2.read(fd, b"etc/fstab", LARGEST))
    except OSError:
        return
    finally:
        os.close(fd)


def _of_fstab(root: bytes) -> Iterator[Bind]:
    for number, (source, path, _, options) in _fstab(root):
        if {b"bind", b"rbind"} & set(options.split(b",")) and source.startswith(b"/"):
            yield Bind(_plain(source), _plain(path), f"/etc/fstab:{number}")


def _plain(path: bytes) -> bytes:
    return b"/" + b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))


def _of_table(root: bytes, table: Sequence[Mount]) -> Iterator[Bind]:
    """Yield the mounts whose content another mount of the same filesystem shows in a directory."""
    above = root.rstrip(b"/")
    for mount in table:
        if not mount.path.startswith(above + b"/") or mount.root == b"/":
            continue
        path = mount.path[len(above) :]
        for other in table:
            inside = other.device == mount.device and within(mount.root, other.root) and other is not mount
            if not inside or not other.path.startswith(above + b"/"):
                continue
            source = other.path[len(above) :] + mount.root[len(other.root.rstrip(b"/")) :]
            if source != path and source.endswith(path):
                yield Bind(source, path, f"mounted at {to_text(mount.path)}")


def placement_of(one: Bind, root: bytes) -> Placement | None:
    """Return the declaration that means a bind mount, or None if no declaration can."""
    if one.store is None:
        return None
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        directory = stat.S_ISDIR(openat2.facts(fd, one.source).st_mode)
    except OSError:
        directory = True  # what there will be, nobody knows; most are
    finally:
        os.close(fd)
    declaration = Declaration(one.path, directory, one.store, one.by)
    return Placement(declaration, BIND, False, Ownership(), Ownership())
