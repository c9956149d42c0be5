"""The processes that hold something open in a tree, so that it cannot be swapped beneath them.

Hard facts
    The target of /proc/PID/fd/N is a path as that process's mount namespace has it, and may lie: another
    namespace, a rename, a name with " (deleted)".  stat(2) of it gives the inode itself.
    A process whose working directory, or an open directory, lies in a tree goes on making files there when
    something is mounted over it.  A socket that somebody listens on is of no use in a copy.
    The device in /proc/PID/maps is that of the whole filesystem, with BTRFS not that of the subvolume.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import stat
from collections.abc import Callable, Iterator

from ..lazy import NamedTuple, regex
from ..paths import within

_FLAGS = regex(rb"^flags:\s+0?([0-7]+)", re.MULTILINE)
_MAPPING = regex(rb"^[0-9a-f]+-[0-9a-f]+ .w.s [0-9a-f]+ [0-9a-f:]+ [1-9][0-9]*\s+(/.*)$", re.MULTILINE)
_SOCKET = regex(rb"socket:\[([0-9]+)\]")


class Use(enum.StrEnum):
    """The ways in which a process can hold something."""

    WRITES = "has open for writing"
    LISTS = "has the directory open"
    WORKS = "has as its working directory"
    ROOT = "has as its root"
    MAPS = "has mapped for writing"
    LISTENS = "listens at"


class Holder(NamedTuple):
    """A process, and what it does with something in the tree."""

    pid: int
    use: Use
    path: bytes


def holders(path: bytes | None, inside: Callable[[os.stat_result], bool]) -> Iterator[Holder]:
    """Yield who holds something at or below a path, each process and use once.

    `path` is the path as processes see it, or None if they see something else there; `inside` says whether an
    inode lies there, whatever path it is seen by.  Processes that end meanwhile, and our own, are left out.
    """
    sockets = _sockets(path)
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            seen: set[Use] = set()
            for one in _of(int(entry), path, inside, sockets):
                if one.use not in seen:
                    seen.add(one.use)
                    yield one


def _of(
    pid: int, path: bytes | None, inside: Callable[[os.stat_result], bool], sockets: dict[bytes, bytes]
) -> Iterator[Holder]:
    where = b"/proc/%d/" % pid
    for name, use in ((b"cwd", Use.WORKS), (b"root", Use.ROOT)):
        if (shown := _inside(where + name, path, inside)) is not None:
            yield Holder(pid, use, shown)
    with contextlib.suppress(OSError), open(where + b"maps", "rb") as stream:
        for mapped in _MAPPING.findall(stream.read()):
            if path is not None and within(mapped, path):
                yield Holder(pid, Use.MAPS, mapped)
    try:
        numbers = os.listdir(where + b"fd")
    except OSError:
        return
    for number in numbers:
        yield from _of_descriptor(pid, number, path, inside, sockets)


def _of_descriptor(
    pid: int,
    number: bytes,
    path: bytes | None,
    inside: Callable[[os.stat_result], bool],
    sockets: dict[bytes, bytes],
) -> Iterator[Holder]:
    link = b"/proc/%d/fd/%s" % (pid, number)
    with contextlib.suppress(OSError):
        facts = os.stat(link)
        if stat.S_ISSOCK(facts.st_mode):
            match = _SOCKET.fullmatch(os.readlink(link))
            if match is not None and match[1] in sockets:
                yield Holder(pid, Use.LISTENS, sockets[match[1]])
            return
        directory = stat.S_ISDIR(facts.st_mode)
        if not directory and (not stat.S_ISREG(facts.st_mode) or not facts.st_nlink):
            return
        if (shown := _inside(link, path, inside, facts)) is None:
            return
        if directory:
            yield Holder(pid, Use.LISTS, shown)
        elif _writes(pid, number):
            yield Holder(pid, Use.WRITES, shown)


def _inside(
    link: bytes,
    path: bytes | None,
    inside: Callable[[os.stat_result], bool],
    facts: os.stat_result | None = None,
) -> bytes | None:
    """Return how a process sees what its link leads to, if that lies in the tree."""
    with contextlib.suppress(OSError):
        shown = os.readlink(link)
        if path is not None and within(shown, path):
            return shown
        return shown if inside(facts if facts is not None else os.stat(link)) else None
    return None


def _writes(pid: int, number: bytes) -> bool:
    with open(b"/proc/%d/fdinfo/%s" % (pid, number), "rb") as stream:
        match = _FLAGS.search(stream.read(4096))
    return match is not None and int(match[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _sockets(path: bytes | None) -> dict[bytes, bytes]:
    """Return {number of the socket: its path} of those that are bound below a path, in any namespace."""
    found: dict[bytes, bytes] = {}
    seen: set[str] = set()
    for entry in os.listdir("/proc"):
        if path is None or not entry.isdecimal():
            continue
        with contextlib.suppress(OSError):
            namespace = os.readlink(f"/proc/{entry}/ns/net")
            if namespace in seen:
                continue
            with open(f"/proc/{entry}/net/unix", "rb") as stream:
                for line in stream:
                    words = line.rstrip(b"\n").split(None, 7)
                    if len(words) == 8 and within(words[7], path):
                        found[words[6]] = words[7]
            seen.add(namespace)
    return found
