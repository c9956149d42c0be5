"""Small files that become the first content of their sources: identities, which no boot may be without.

A directory, a large file, and one that its owner could exchange meanwhile are for `persist`, which watches
who writes to them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import replace

from .. import copying
from ..config.placement import Placement
from ..kernel import libc, openat2
from ..text import to_text
from . import approach, places
from .ownership import Owner
from .plan import MACHINE_ID, Kind, Made, source_of

LARGEST = 1 << 20  # bytes


def find(placements: Iterable[Placement], root: int, waiting: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return the declared files whose content can be copied at once, each with its source."""
    found = {}
    for one in placements:
        path, source = one.declaration.path, source_of(one)
        wanted = path in waiting or (path == MACHINE_ID and places.exists(root, source) is None)
        if wanted and not one.declaration.directory and _is_small_and_roots(root, path, source):
            found[path] = source
    return found


def _is_small_and_roots(root: int, path: bytes, source: bytes) -> bool:
    facts = places.exists(root, path)
    if facts is None or not stat.S_ISREG(facts.st_mode) or not 0 < facts.st_size <= LARGEST:
        return False
    ways = [os.path.dirname(path), os.path.dirname(source)]
    return all(is_roots(root, way) for way in ways)


def is_roots(root: int, directory: bytes) -> bool:
    """Return whether root alone can change the names in a directory, or in the nearest one that exists."""
    while directory != b"/" and (facts := places.exists(root, directory)) is None:
        directory = os.path.dirname(directory)
    facts = places.exists(root, directory)
    return facts is not None and facts.st_uid == 0 and not facts.st_mode & 0o022


def sow(root: int, path: bytes, source: bytes) -> None:
    """Make a source what is at the declared path.  Raises OSError.

    A source is there whole or, as before, empty: the copy is on the disk before it gets its name.
    """
    if path == MACHINE_ID:  # which may be a mount of its own
        content = openat2.read(root, path, LARGEST)
        places.create(root, Made(source, Kind.FILE, Owner(0, 0, 0o444)), content=content)
        return
    directory, name = os.path.split(source)
    temporary = b".%s.impermanence" % name[:200]
    target = openat2.open_directory(root, directory, os.O_RDONLY)
    around = approach.open_directory(root, os.path.dirname(path))
    try:
        copying.remove(target, temporary)
        copying.copy(around, os.path.basename(path), target, temporary)
        libc.syncfs(target)
        os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
        libc.syncfs(target)
    finally:
        os.close(target)
        os.close(around)


def create(root: int, made: Made) -> None:
    """Create what is missing, a copy with content, owner and mode of what it is a copy of."""
    if made.kind not in (Kind.COPY, Kind.GIVEN):
        places.create(root, made, made.content)
        return
    facts = openat2.facts(root, made.target)
    content = openat2.read(root, made.target, LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(0, f"{to_text(made.target)} is too large for a copy at each boot", made.target)
    owner = Owner(facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode))
    as_it_is = made if made.kind is Kind.GIVEN else replace(made, owner=owner)
    places.create(root, as_it_is, content)
