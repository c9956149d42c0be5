"""The sources of files that come back by themselves: declarative systems, packages, and systemd's
own tools.

Everything is read from the volume itself, through a descriptor of its root: it may be another system's.
"""

from __future__ import annotations

from collections.abc import Callable

from ...kernel import openat2
from . import dpkg, nix_links, pacman, rpm, tmpfiles
from .packages import PackageFinding, Packages, Reader, may_be_packaged

__all__ = ["SOURCES", "PackageFinding", "Packages", "may_be_packaged", "nix_links", "packages_of", "tmpfiles"]

# Files that are replaced, and directories with a file for each thing, whenever one of the sources changes.
SOURCES = (*dpkg.SOURCES, pacman.LOCAL, *rpm.SOURCES, *tmpfiles.SOURCES)

# The package managers: whether a root has the database of one, and what reads it there and in the blank.
READERS: tuple[tuple[Callable[[int], bool], Callable[[int, int | None], Reader]], ...] = (
    (dpkg.is_there, dpkg.Dpkg),
    (pacman.is_there, pacman.Pacman),
    (rpm.is_there, rpm.Rpm),
)


def packages_of(now: int, blank: int | None) -> Packages | None:
    """Return what the package manager of a volume knows, or None if the volume has no package database.

    `now` and `blank` are descriptors of the roots of the volume and its blank.
    """
    for is_there, reader in READERS:
        if is_there(now):
            return Packages(reader(now, blank), lambda path, limit: openat2.read(now, path, limit))
    return None
