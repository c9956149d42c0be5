"""Old roots sent elsewhere, so that what pruning takes is kept: each as a stream against its blank.

    TARGET/blank-UUID/NAME            the blank, once: every old root is sent as what differs from it
    TARGET/KEY/NAME                   an old root by its name in the archive; KEY is that of the first volume
    TARGET/KEY/NAME.nested-K          what was nested in it, which its stream does not have
    TARGET/KEY/manifest               the blank's UUID, and where each of these belongs; it comes last
    TARGET/KEY.part/                  all of it, until it is whole

On a BTRFS these are read-only subvolumes; elsewhere they are streams (`.btrfs`) for btrfs-receive(8).

Only read-only subvolumes can be sent, and old roots are writable, so a snapshot of each is made in
`.impermanence/sending`, and goes when it was sent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import btrfsutil

from .. import copying
from ..errors import ImpermanenceError
from ..kernel import btrfs, openat2
from ..kernel.btrfs import delete as kernel
from ..kernel.btrfs import send as stream
from ..kernel.btrfs import snapshots
from ..lazy import regex
from ..state import STATE, UUID, uuid_text
from ..system.place import Place
from ..text import to_text
from ..volumes.machine import Machine
from .moments import Moment, Root, opened

SENDING = STATE + b"/sending"
MANIFEST = "manifest"
NAME = regex(r"[A-Za-z0-9@_][A-Za-z0-9._:@~-]{0,199}")  # of what is sent
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One subvolume of what is sent."""

    name: str  # at the target
    id: int
    place: bytes  # where it was in its volume; b"" for the volume's root


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent."""

    place: str  # for a person
    parts: tuple[Part, ...]
    against: bytes | None  # the blank's path; None: everything was sent


def key_of(moment: Moment) -> str:
    """Return the name of an old root at the target: the one that it has in the archive."""
    root = next(iter(moment.roots.values()))
    if not root.old:
        raise ImpermanenceError(f"{moment.name} is no old root", "only what was put away is sent")
    key = os.fsdecode(os.path.basename(root.path))
    if not NAME.fullmatch(key):
        raise ImpermanenceError(
            f"{to_text(root.path)} has a name that is not plain", "rename it in the archive"
        )
    return key


def send(machine: Machine, moment: Moment, place: Place, tell: Tell) -> Sent:
    """Send the old roots of a moment to a place.

    Raises ImpermanenceError if it is there already, CommandError for what failed at the other end, and
    OSError.  What a run that was cut left at the target is made anew.
    """
    key = key_of(moment)
    keeps = place.is_btrfs()
    if place.has(f"{key}/{MANIFEST}"):
        raise ImpermanenceError(f"{place.shown}/{key} is there already", "remove it first to send it again")
    with contextlib.ExitStack() as stack:
        for root in moment.roots.values():
            stack.enter_context(opened(root, machine))
        sending = stack.enter_context(sending_directory(machine))
        machine.sync()
        parent = _send_blank(machine, moment, place, tell, keeps=keeps)
        forget(place, f"{key}.part")
        forget(place, key)  # without a manifest it is no more than a part
        place.run(["mkdir", "--", f"{place.path}/{key}.part"])
        parts = list(_parts(machine, moment))
        for part in parts:
            tell(f"sending {to_text(os.fsencode(part.name))} of {moment.name}")
            against = parent[1] if parent is not None and not part.place else None
            _send_part(machine, sending, place, f"{key}.part", part, against, keeps=keeps)
        content = f"{'-' if parent is None else _uuid(machine, parent[1])}\n".encode()
        content += b"".join(_line(part) for part in parts)
        words = ["sh", "-c", 'cat > "$1"', "sh", f"{place.path}/{key}.part/{MANIFEST}"]
        place.feed(words, lambda fd: _write(fd, content))
        place.run(["mv", "-T", "--", f"{place.path}/{key}.part", f"{place.path}/{key}"])
    return Sent(f"{place.shown}/{key}", tuple(parts), None if parent is None else parent[0])


def _line(part: Part) -> bytes:
    return f"{part.name} {part.place.hex() or '-'}\n".encode()


def _uuid(machine: Machine, number: int) -> str:
    return uuid_text(machine.subvolume(number).uuid)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was sent, as the target has it."""

    against: str | None  # the UUID of the blank
    parts: tuple[tuple[str, bytes], ...]  # (name, place in its volume); b"" is that of a volume's root


def parse_manifest(content: str) -> Manifest:
    """Return what a manifest says.  Raises ImpermanenceError for what `send` cannot have written."""
    found = []
    against, *lines = content.splitlines() or [""]
    if not re.fullmatch(rf"-|{UUID}", against):
        raise ImpermanenceError("the manifest does not begin with the UUID of a blank")
    for line in lines:
        name, _, place = line.partition(" ")
        try:
            path = b"" if place == "-" else bytes.fromhex(place)
        except ValueError:
            raise ImpermanenceError(f"{to_text(line.encode())}: this is no line of a manifest") from None
        if not NAME.fullmatch(name) or b".." in path.split(b"/"):
            raise ImpermanenceError(f"{to_text(line.encode())}: this is no line of a manifest")
        found.append((name, path))
    if not found or found[0][1]:
        raise ImpermanenceError("the manifest names no root of a volume")
    return Manifest(None if against == "-" else against, tuple(found))


def _parts(machine: Machine, moment: Moment) -> Iterator[Part]:
    """Yield the root of each volume, followed by what is nested in it, the outer ones first."""
    for root in moment.roots.values():
        called = os.fsdecode(os.path.basename(root.path))
        yield Part(called, root.id, b"")
        waiting = [(root.id, b"")]
        count = 0
        for number, above in waiting:  # it grows as it is read
            tree = btrfs.Tree(machine.top, number)
            for child, (directory, name) in sorted(tree.nested().items()):
                count += 1
                path = above + tree.path(directory) + b"/" + name
                yield Part(f"{called}.nested-{count}", child, path)
                waiting.append((child, path))


@contextlib.contextmanager
def sending_directory(machine: Machine) -> Iterator[int]:
    """Hold the directory of the snapshots, with nothing in it that an earlier run has left."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(machine.in_state(SENDING), 0o700)
    fd = openat2.open_directory(machine.top, SENDING, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImpermanenceError("old roots are being sent already", "wait for it to end") from None
        for name in os.listdir(fd):
            copying.remove(fd, os.fsencode(name))
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _snapshot(machine: Machine, sending: int, part: Part) -> Iterator[int]:
    """Hold a read-only snapshot of a subvolume, by the name that it has at the target."""
    name = os.fsencode(part.name)
    item = btrfs.Tree(machine.top, part.id).inode(btrfs.BTRFS_FIRST_FREE_OBJECTID)
    if item is None:
        raise ImpermanenceError(f"{to_text(part.place) or part.name} is gone", "ask again")
    source = btrfs.open_inode(machine.top, part.id, btrfs.BTRFS_FIRST_FREE_OBJECTID, item.generation)
    try:
        snapshots.snapshot(source, sending, name)
    finally:
        os.close(source)
    fd = os.open(name, _DIRECTORY, dir_fd=sending)
    try:
        btrfsutil.set_subvolume_read_only(fd, True)
        yield fd
    finally:
        os.close(fd)
        kernel.snap_destroy_name(sending, name)


def _send_part(
    machine: Machine,
    sending: int,
    place: Place,
    directory: str,
    part: Part,
    parent: int | None,
    *,
    keeps: bool,
) -> None:
    with _snapshot(machine, sending, part) as fd:
        _send(place, directory, part.name, fd, parent, keeps=keeps)


def _send(place: Place, directory: str, name: str, fd: int, parent: int | None, *, keeps: bool) -> None:
    where = f"{place.path}/{directory}"
    words = (
        ["btrfs", "receive", "-e", where]
        if keeps
        else ["sh", "-c", 'cat > "$1"', "sh", f"{where}/{name}.btrfs"]
    )
    place.feed(words, lambda out: stream.send(fd, out, parent))


def _send_blank(
    machine: Machine, moment: Moment, place: Place, tell: Tell, *, keeps: bool
) -> tuple[bytes, int] | None:
    """Send the blank of the first volume if the target lacks it; return its path and id, or None if there is
    none to send against.
    """
    volume = next(one for one in machine.volumes if one.name in moment.roots)
    if volume.blank is None or volume.blank_id is None:
        return None
    with opened(Root(volume.blank_id, volume.blank), machine) as fd:
        if not btrfsutil.get_subvolume_read_only(fd):
            return None
        name = f"blank-{_uuid(machine, volume.blank_id)}"
        if not place.has(name):
            tell(f"sending the blank {to_text(volume.blank)}")
            forget(place, f"{name}.part")
            place.run(["mkdir", "--", f"{place.path}/{name}.part"])
            _send(place, f"{name}.part", os.fsdecode(os.path.basename(volume.blank)), fd, None, keeps=keeps)
            place.run(["mv", "-T", "--", f"{place.path}/{name}.part", f"{place.path}/{name}"])
    return volume.blank, volume.blank_id


def forget(place: Place, name: str) -> None:
    """Remove what a run that was cut has left at the target, if anything."""
    script = (
        'for one in "$1"/*; do [ -e "$one" ] || continue; '
        'btrfs subvolume delete "$one" >/dev/null 2>&1 || rm -f -- "$one"; done; '
        '[ ! -e "$1" ] || rmdir -- "$1"'
    )
    place.run(["sh", "-c", script, "sh", f"{place.path}/{name}"])


def _write(fd: int, content: bytes) -> None:
    os.write(fd, content)
