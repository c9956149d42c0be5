"""The sources of files that come back by themselves: declarative systems, packages, and systemd's
own tools.

Everything is read from the volume itself, through a descriptor of its root: it may be another system's.
"""

from __future__ import annotations

from ...kernel import openat2
from . import dpkg, nix_links, pacman, rpm, tmpfiles
from .packages import Finding, Packages, Reader, may_be_packaged

__all__ = ["Finding", "Packages", "may_be_packaged", "nix_links", "packages_of", "tmpfiles"]


def packages_of(now: int, blank: int | None) -> Packages | None:
    """Return what the package manager of a volume knows, or None if the volume has no package database.

    `root_fd` and `blank_fd` are descriptors of the roots of the volume and its blank.
    """
    if dpkg.is_there(now):
        reader: Reader = dpkg.Dpkg(now, blank)
    elif pacman.is_there(now):
        reader = pacman.Pacman(now, blank)
    elif rpm.is_there(now):
        reader = rpm.Rpm(now, blank)
    else:
        return None
    return Packages(reader, lambda path, limit: openat2.read(now, path, limit))
