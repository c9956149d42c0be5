"""The lines of fstab(5) that a set-up adds, changes and takes away; all others stay byte for byte."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ..errors import NotSetUp
from ..kernel import mounts
from ..lazy import regex
from ..system import atomic

FSTAB = b"/etc/fstab"

_REQUIRES = b"x-systemd.requires-mounts-for="
_UNSAFE = regex(rb"[\s\\#]")
_NUMBER = regex(rb"(?:^|(?<=,))subvolid=[^,]*(?:,|$)")
_OWN = regex(rb"subvol(?:id)?=|x-|ro$|rw$|noauto$|defaults$|_netdev$")


def escape(path: bytes) -> bytes:
    """Return a path as a word of an fstab."""
    return _UNSAFE.sub(lambda match: b"\\%03o" % match[0][0], path)


def bind_line(source: bytes, path: bytes, persist: bytes) -> bytes:
    """Return the line that mounts what a persist volume has at a path."""
    options = b"bind," + _REQUIRES + escape(persist)
    return b"%s %s none %s 0 0" % (escape(source), escape(path), options)


def volume_line(fsid: str, subvolume: bytes, path: bytes, like: bytes) -> bytes:
    """Return the line that mounts a subvolume, with the options that the root has in the fstab `like`."""
    options = [option for option in _options(like) if not _OWN.match(option)]
    words = b",".join([b"subvol=" + escape(subvolume), *options])
    return b"UUID=%s %s btrfs %s 0 0" % (fsid.encode(), escape(path), words)


def _options(fstab: bytes) -> list[bytes]:
    for line in fstab.splitlines():
        words = _words(line)
        if words and words[1] == b"/" and words[2] == b"btrfs":
            return words[3].split(b",")
    return []


def with_lines(fstab: bytes, lines: Iterable[bytes]) -> bytes:
    """Return the fstab with lines at its end, but for those that it has."""
    wanted = [line for line in lines if line not in fstab.splitlines()]
    if not wanted:
        return fstab
    content = fstab if not fstab or fstab.endswith(b"\n") else fstab + b"\n"
    return content + b"".join(line + b"\n" for line in wanted)


def without(fstab: bytes, lines: Iterable[bytes]) -> bytes:
    """Return the fstab without these lines."""
    gone = set(lines)
    return b"".join(line for line in fstab.splitlines(keepends=True) if line.rstrip(b"\n") not in gone)


def without_place(fstab: bytes, path: bytes) -> bytes:
    """Return the fstab without what mounts something at a path, or requires what is mounted there."""
    gone = [
        line
        for line in fstab.splitlines()
        if (words := _words(line)) and (mounts.unescape(words[1]) == path or _requires(words[3]) == path)
    ]
    return without(fstab, gone)


def _requires(options: bytes) -> bytes | None:
    found = [option for option in options.split(b",") if option.startswith(_REQUIRES)]
    return mounts.unescape(found[0].removeprefix(_REQUIRES)) if found else None


def without_number(fstab: bytes, root: bytes) -> bytes:
    """Return the fstab with the root named by its path alone: its number is another after a rollback."""
    lines = []
    for line in fstab.splitlines(keepends=True):
        words = _words(line)
        if words and words[1] == b"/" and words[2] == b"btrfs" and _NUMBER.search(words[3]):
            options = _NUMBER.sub(b"", words[3]).strip(b",")
            if b"subvol=" not in options:
                options = b",".join(filter(None, (options, b"subvol=" + escape(root))))
            line = line.replace(words[3], options, 1)
        lines.append(line)
    return b"".join(lines)


def with_subvolume(fstab: bytes, fsid: str, root: bytes) -> bytes:
    """Return the fstab with the root in a subvolume, in the line that it has or in a new one."""
    lines, found = [], False
    for line in fstab.splitlines(keepends=True):
        words = _words(line)
        if words and words[1] == b"/":
            kept = [one for one in words[3].split(b",") if not one.startswith((b"subvol=", b"subvolid="))]
            options = b",".join([*kept, b"subvol=" + escape(root)])
            line = line.replace(words[3], options, 1)
            found = True
        lines.append(line)
    content = b"".join(lines)
    return content if found else with_lines(content, [volume_line(fsid, root, b"/", content)])


def _words(line: bytes) -> list[bytes]:
    words = line.split()
    return words if len(words) >= 4 and not words[0].startswith(b"#") else []


def mount_points(fstab: bytes) -> set[bytes]:
    """Return where an fstab mounts something."""
    return {mounts.unescape(words[1]) for words in map(_words, fstab.splitlines()) if words}


def read() -> bytes:
    """Return the fstab of the running system.  Raises NotSetUp if it is no regular file."""
    try:
        facts = os.lstat(FSTAB)
        if not stat.S_ISREG(facts.st_mode):
            raise NotSetUp("/etc/fstab is no regular file", "mounts of their own need one: make it one")
        with open(FSTAB, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def write(before: bytes, content: bytes) -> None:
    """Put an fstab in the place of the one that was read, unless it is the same."""
    if content == before:
        return
    mode = stat.S_IMODE(os.lstat(FSTAB).st_mode) if os.path.exists(FSTAB) else 0o644
    atomic.replace(FSTAB, content, mode=mode)
