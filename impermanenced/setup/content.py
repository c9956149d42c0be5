"""What is at a path of a system, and what of it no package brought; no link is followed."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator, Mapping

from ..kernel import openat2
from ..report.providers import dpkg

MOST = 500  # entries of a directory that are looked at before it counts as one with something in it


def there_is(root: int, path: bytes, kind: Callable[[int], bool]) -> bool:
    """Return whether something of this kind is there; `kind` is a function of stat."""
    try:
        return kind(openat2.facts(root, path).st_mode)
    except OSError:
        return False


def names(root: int, path: bytes) -> list[bytes]:
    """Return the names in a directory; none if it is no directory."""
    try:
        return openat2.names(root, path)
    except OSError:
        return []


def with_something(root: int, paths: Collection[bytes]) -> set[bytes]:
    """Return those of the paths that are, or hold, a file which no package of dpkg brought."""
    found: Mapping[bytes, list[bytes]] = {path: list(_files(root, path)) for path in paths}
    owned: Collection[bytes] = ()
    if dpkg.is_there(root):
        owned = dpkg.Dpkg(root, None).owners(frozenset(one for files in found.values() for one in files))
    return {path for path, files in found.items() if any(one not in owned for one in files)}


def of_a_service(root: int, path: bytes) -> bool:
    """Return whether a directory is that of an account other than root: what is to come there is its data,
    even if it is empty.
    """
    try:
        return openat2.facts(root, path).st_uid != 0
    except OSError:
        return False


def _files(root: int, path: bytes) -> Iterator[bytes]:
    """Yield what is at a path, or in it at any depth, but for directories; no more than MOST entries are
    seen.
    """
    if there_is(root, path, stat.S_ISREG):
        yield path
    waiting, seen = [path], 0
    while waiting and seen < MOST:
        directory = waiting.pop()
        for name in names(root, directory):
            seen += 1
            one = directory + b"/" + name
            if there_is(root, one, stat.S_ISDIR):
                waiting.append(one)
            else:
                yield one
