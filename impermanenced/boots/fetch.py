"""Old roots that were sent elsewhere, brought back into the archive (`boots.send`)."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import IO

from .. import copying
from ..errors import ImpermanenceError, UsageError
from ..kernel import libc, openat2
from ..kernel.btrfs import by_uuid, snapshots
from ..state import RUN
from ..system.place import Place
from ..text import to_text
from ..volumes.machine import Machine
from .old_roots import open_below
from .send import MANIFEST, NAME, SENDING, Manifest, Tell, parse_manifest, sending_directory

_HERE = Place(None, "/")
_NEW = b"new."

# btrfs-receive(8) wants a path below a mount: one that nobody else sees.
_RECEIVE = """
set -e
mkdir -p "$1"
mount -t tmpfs -o mode=700,size=64k impermanence "$1"
mkdir "$1/top"
mount -t btrfs -o subvolid=5 "$2" "$1/top"
exec btrfs receive -e "$1/top/$3"
"""


def fetch(machine: Machine, archive: bytes, key: str, place: Place, tell: Tell) -> list[bytes]:
    """Bring an old root back, with all that was nested in it, and return the paths of the new old roots.

    Raises UsageError for a name that cannot be one, ImpermanenceError if it is not at the place or here
    already, and CommandError for what failed at the other end.
    """
    if not NAME.fullmatch(key):
        shown = to_text(os.fsencode(key))
        raise UsageError(f"{shown} is not the name of an old root", "the name that boots send has said")
    if not place.has(f"{key}/{MANIFEST}"):
        raise ImpermanenceError(f"{place.shown}/{key}: nothing whole was sent there", "boots send N PLACE")
    manifest = parse_manifest(place.run(["cat", "--", f"{place.path}/{key}/{MANIFEST}"]))
    keeps = place.is_btrfs()
    roots = [name for name, inside in manifest.parts if not inside]
    with sending_directory(machine) as received, contextlib.ExitStack() as stack:
        target = open_below(machine.top, archive)
        stack.callback(os.close, target)
        for name in roots:
            if os.path.lexists(b"/proc/self/fd/%d/%s" % (target, os.fsencode(name))):
                raise ImpermanenceError(f"{to_text(archive)}/{name} is there already", "nothing was changed")
        blank = _blank(machine, manifest, place, received, keeps=keeps)
        for name, inside in manifest.parts:
            tell(f"fetching {to_text(os.fsencode(name))}")
            _receive(machine, place, _words(place, key, name, None if inside else blank, keeps=keeps))
        _assemble(manifest, received)
        machine.sync()
        for name in roots:
            raw = os.fsencode(name)
            libc.renameat2(received, _NEW + raw, target, raw, libc.RENAME_NOREPLACE)
        for left in openat2.names(received, b"/"):
            copying.remove(received, left)
        machine.sync()
    return [archive + b"/" + os.fsencode(name) for name in roots]


def _words(place: Place, key: str, name: str, blank: str | None, *, keeps: bool) -> list[str]:
    """Return the words that make the stream of a part at the other end."""
    if not keeps:
        return ["cat", "--", f"{place.path}/{key}/{name}.btrfs"]
    against = [] if blank is None else ["-p", blank]
    return ["btrfs", "send", "-q", *against, f"{place.path}/{key}/{name}"]


def _blank(machine: Machine, manifest: Manifest, place: Place, received: int, *, keeps: bool) -> str | None:
    """Return the path of the blank at the other end that can be sent against, or None; where only streams are
    kept, the blank is received too if it is not here any more.
    """
    if manifest.against is None:
        return None
    directory = f"{place.path}/blank-{manifest.against}"
    names = place.run(["ls", "-A", "--", directory]).splitlines()
    if len(names) != 1:
        raise ImpermanenceError(f"{place.shown}/blank-{manifest.against}: one blank was to be there")
    here = by_uuid(machine.top, bytes.fromhex(manifest.against.replace("-", ""))) is not None
    if keeps:
        return f"{directory}/{names[0]}" if here else None
    if not here:
        _receive(machine, place, ["cat", "--", f"{directory}/{names[0]}"])
    return None


def _receive(machine: Machine, place: Place, words: list[str]) -> None:
    inside = ["sh", "-c", _RECEIVE, "sh", os.fsdecode(RUN + b"/receiving")]
    argv = ["unshare", "--mount", "--propagation", "private", "--", *inside]
    argv += [os.fsdecode(machine.device), os.fsdecode(SENDING)]

    def copy(pipe: IO[bytes]) -> Callable[[int], None]:
        def write(fd: int) -> None:
            with open(fd, "wb", closefd=False) as out:
                shutil.copyfileobj(pipe, out, 1 << 20)

        return write

    place.drain(words, lambda pipe: _HERE.feed(argv, copy(pipe)))


def _assemble(manifest: Manifest, received: int) -> None:
    """Make writable copies of what was received, each in its place."""
    root = -1
    try:
        for name, inside in manifest.parts:
            part = openat2.open_directory(received, os.fsencode(name), os.O_RDONLY)
            try:
                if not inside:
                    if root >= 0:
                        os.close(root)
                    snapshots.snapshot(part, received, _NEW + os.fsencode(name))
                    root = openat2.open_directory(received, _NEW + os.fsencode(name), os.O_RDONLY)
                    continue
                above, last = os.path.split(inside)
                directory = openat2.open_directory(root, above, os.O_RDONLY)
                try:
                    before = os.fstat(directory)
                    with contextlib.suppress(FileNotFoundError):
                        os.rmdir(last, dir_fd=directory)  # a stub of what was nested there
                    snapshots.snapshot(part, directory, last)
                    os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
                finally:
                    os.close(directory)
            finally:
                os.close(part)
    finally:
        if root >= 0:
            os.close(root)
