"""/etc in three: what the blank had, what the update made of it, and what the running system has.

    changed by the update alone          the release has the update's
    changed in the running system alone  the next boot takes it away, as anything undeclared; it is said
    changed by both                      the lines of both where they can be told apart, else a conflict

A conflict is shown before anything is promoted.  Where a declaration mounts or links a file in /etc, the
running system's goes before whatever a release has, and an update of it is hidden: that is said as well.
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import CommandError
from ..kernel import mounts, openat2
from ..model import Difference
from ..paths import within
from ..system import command
from . import copies

LARGEST = 4 << 20  # bytes of a file that is merged
ETC = b"/etc"

# Made anew from other files, by whoever needs it.
_MADE_ANEW = (b"/etc/ld.so.cache", b"/etc/mtab", b"/etc/resolv.conf", b"/etc/.pwd.lock", b"/etc/machine-id")


class Outcome(enum.StrEnum):
    """What becomes of a file in /etc that is not the same on all sides."""

    MERGED = "merged"
    CONFLICT = "conflict"
    MINE = "mine"  # the running system's was chosen
    NEW = "new"  # the update's was chosen
    HIDDEN = "hidden"  # a declaration keeps the running system's, which goes before the update's
    LOST = "lost"  # the running system's change goes at the next boot


@dataclass(frozen=True, slots=True)
class Merge:
    """The fate of one path in /etc."""

    path: bytes
    outcome: Outcome


class Side(enum.StrEnum):
    """Whose file is taken where both have changed it and it cannot be merged."""

    MINE = "mine"
    NEW = "new"


def merge(
    live: int,
    blank: int,
    release: int,
    changes: Iterable[Difference],
    persist: Sequence[bytes] = (),
    choice: Side | None = None,
) -> list[Merge]:
    """Merge the running system's changes of /etc into a release, where the update has changed the same.

    The first three are descriptors of roots; `changes` is what the update has changed, `persist` where
    declared files really are, and `choice` decides conflicts.
    """
    by_update = {one.path for one in changes if one.path.startswith(ETC + b"/")}
    found = []
    for path in sorted(by_update | set(_files(live, blank))):
        if path not in _MADE_ANEW:
            kept = _is_kept(live, path, persist)
            if (outcome := _one(live, blank, release, path, kept, choice)) is not None:
                found.append(Merge(path, outcome))
    return found


def _one(live: int, blank: int, release: int, path: bytes, kept: bool, choice: Side | None) -> Outcome | None:
    mine, was, new = _state(live, path), _state(blank, path), _state(release, path)
    if mine in (was, new):
        return None
    if was == new:
        return None if kept else Outcome.LOST
    if kept:
        return Outcome.HIDDEN
    if None not in (mine, was, new) and (merged := _lines(live, blank, release, path)) is not None:
        copies.write(release, path, merged)
        return Outcome.MERGED
    if choice is Side.MINE:
        copies.one(live, release, path)
        return Outcome.MINE
    return Outcome.NEW if choice is Side.NEW else Outcome.CONFLICT


def _state(root: int, path: bytes) -> tuple[int, int, int, bytes] | None:
    """Return what decides whether two files are the same, or None if there is none."""
    try:
        facts = openat2.facts(root, path)
        content = b""
        if stat.S_ISREG(facts.st_mode):
            content = openat2.read(root, path, LARGEST)
        elif stat.S_ISLNK(facts.st_mode):
            content = openat2.target(root, path)
        return facts.st_mode, facts.st_uid, facts.st_gid, content
    except OSError:
        return None


def _is_kept(live: int, path: bytes, persist: Sequence[bytes]) -> bool:
    """Return whether the running system has a file from elsewhere: mounted, or linked out of /etc."""
    try:
        facts = openat2.facts(live, path)
    except OSError:
        return True  # a link or a mount is on the way
    if stat.S_ISLNK(facts.st_mode):
        return any(within(openat2.target(live, path), place) for place in persist)
    return facts.st_dev != os.fstat(live).st_dev or _is_mounted(live, path)


def _is_mounted(live: int, path: bytes) -> bool:
    fd = openat2.open_path(live, path)
    try:
        return mounts.mount_id(fd) != mounts.mount_id(live)
    finally:
        os.close(fd)


def _lines(live: int, blank: int, release: int, path: bytes) -> bytes | None:
    """Return the file with the lines that both sides have changed, or None where they cannot be
    told apart.
    """
    with tempfile.TemporaryDirectory(prefix="impermanence-") as directory:
        names = []
        for name, root in (("mine", live), ("was", blank), ("new", release)):
            if not stat.S_ISREG(openat2.facts(root, path).st_mode):
                return None
            content = openat2.read(root, path, LARGEST + 1)
            if b"\0" in content or len(content) > LARGEST:
                return None
            names.append(os.path.join(directory, name))
            with open(names[-1], "wb") as stream:
                stream.write(content)
        with contextlib.suppress(CommandError):
            return command.run(["diff3", "--merge", *names])
    return None


def _files(live: int, blank: int) -> Iterator[bytes]:
    """Yield the files in /etc that the running system has otherwise than the blank, or alone."""
    waiting = [ETC]
    while waiting:
        directory = waiting.pop()
        for name in {*_names(live, directory), *_names(blank, directory)}:
            path = directory + b"/" + name
            mine, was = _facts(live, path), _facts(blank, path)
            if any(facts is not None and stat.S_ISDIR(facts.st_mode) for facts in (mine, was)):
                waiting.append(path)
            elif mine is None or was is None or not _same(mine, was):
                yield path


def _names(root: int, path: bytes) -> Sequence[bytes]:
    try:
        return openat2.names(root, path)
    except OSError:
        return ()


def _facts(root: int, path: bytes) -> os.stat_result | None:
    try:
        return openat2.facts(root, path)
    except OSError:
        return None


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """Return whether two files are surely the same: a snapshot keeps inode and times."""
    return (one.st_ino, one.st_ctime_ns, one.st_mode) == (other.st_ino, other.st_ctime_ns, other.st_mode)
