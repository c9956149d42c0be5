"""A root at the top level of its BTRFS, which cannot be renamed: it moves into a subvolume, and boots there.

    snapshot   of the root as it is, under the name that it is to have
    fstab      of the snapshot: the root by its name, and a line for each subvolume that is nested in the old
    loader     what boots by default is the snapshot

The boot loader comes last, and by one file that is replaced: up to then the old root boots.  Nothing is
deleted: the old root stays at the top level.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator, Sequence

import btrfsutil

from ..errors import ImpermanenceError
from ..lazy import regex
from ..state import NEW_ROOT, RUN
from ..system import atomic, command
from ..text import first_of, to_text
from . import fstab
from .facts import Facts, Loader
from .images import TIMEOUT
from .plan import MOST, Kind, Step
from .steps import menu_command
from .told import Told

BEFORE = b".before-setup"  # the end of the name of a boot menu as it was
MOST_NESTED = 32  # nested subvolumes that get a line in the fstab

_NAMES = {"Fedora": b"rootfs", "Ubuntu": b"@", "Arch": b"@"}  # where nobody else says one: @rootfs
_UNFINISHED = b".setup"
_MENUS = (b"/boot/grub/grub.cfg", b"/boot/grub2/grub.cfg")
_ENTRIES = (b"/boot/loader/entries", b"/efi/loader/entries", b"/boot/efi/loader/entries")
_MARK = b"# impermanence setup moved the root to "
_MOVED = regex(rb"^" + _MARK + rb"(.+)$", re.MULTILINE)
_OPTIONS = regex(rb"^(options[ \t]+)(.*)$", re.MULTILINE)

# PLACE DEVICE SUBVOLUME MOUNTED... -- COMMAND...: in the new root, with what is mounted in the old one.
_SCRIPT = """\
place=$1 device=$2 subvolume=$3; shift 3
mkdir -p "$place"
mount -t btrfs -o "subvol=$subvolume" -- "$device" "$place"
while [ "$1" != -- ]; do
    mount --rbind -- "$1" "$place$1"
    shift
done
shift
exec chroot "$place" "$@"
"""
_PLACE = RUN + b"/" + NEW_ROOT


def new_name(facts: Facts) -> bytes:
    """Return the name of the subvolume that the root is moved to."""
    wanted = next((name for word, name in _NAMES.items() if word in facts.files.distribution), b"@rootfs")
    taken = facts.disk.names
    names = (wanted, *(b"%s%d" % (wanted, number) for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def can_move(facts: Facts) -> bool:
    """Return whether the boot loader is one whose menu can be made to name the new root."""
    if facts.files.loader is Loader.GRUB:
        return menu_command() is not None
    return facts.files.loader is Loader.SYSTEMD_BOOT


def is_moved(facts: Facts) -> bytes | None:
    """Return the subvolume that the next boot has the root in, if it was moved, or None."""
    for path in (*_MENUS, *_entry_files()):
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            if (match := _MOVED.search(stream.read())) is not None and match[1] in facts.disk.names:
                return match[1]
    return None


def _entry_files() -> Iterator[bytes]:
    for directory in _ENTRIES:
        if os.path.isdir(directory):
            yield from (os.path.join(directory, name) for name in sorted(os.listdir(directory)))


def steps(facts: Facts, name: bytes) -> Iterator[Step]:
    """Yield the steps."""
    shown = to_text(name)
    yield Step(Kind.SNAPSHOT, f"take a snapshot of the root, {shown}")
    yield Step(Kind.FSTAB, f"name {shown} in the /etc/fstab of the snapshot{_beside(facts)}")
    yield Step(Kind.LOADER, f"have the boot loader ({facts.files.loader}) boot {shown}")


def _beside(facts: Facts) -> str:
    nested = facts.disk.nested
    return f", and mount there what is nested here: {first_of(nested, MOST)}" if nested else ""


class Move:
    """A move that is on its way."""

    def __init__(self, facts: Facts, name: bytes, told: Told) -> None:
        self._facts = facts
        self._name = name
        self._told = told
        self._place = b"/" + name + _UNFINISHED
        self._uuid = str(uuid.UUID(facts.disk.fsid))

    def run(self) -> None:
        """Do all steps.  Raises ImpermanenceError and OSError; the old root boots then."""
        acts = {Kind.SNAPSHOT: self._snapshot, Kind.FSTAB: self._fstab, Kind.LOADER: self._loader}
        for step in steps(self._facts, self._name):
            self._told.step(step)
            acts[step.kind]()
            btrfsutil.sync(b"/")

    def _snapshot(self) -> None:
        if os.path.lexists(self._place):  # of a run that was cut
            if not btrfsutil.is_subvolume(self._place):
                raise ImpermanenceError(f"{to_text(self._place)} is not a subvolume", "move it away")
            btrfsutil.delete_subvolume(self._place)
        btrfsutil.create_snapshot(b"/", self._place)

    def _fstab(self) -> None:
        path = self._place + fstab.FSTAB
        with open(path, "rb") as stream:
            before = stream.read()
        content = fstab.with_subvolume(before, self._uuid, self._name)
        lines = [
            fstab.volume_line(self._uuid, one.strip(b"/"), one, content)
            for one in self._facts.disk.nested
            if one not in fstab.mount_points(content)
        ]
        content = fstab.with_lines(content, lines)
        atomic.replace(path, content, mode=stat.S_IMODE(os.lstat(path).st_mode))
        os.rename(self._place, b"/" + self._name)

    def _loader(self) -> None:
        if self._facts.files.loader is Loader.SYSTEMD_BOOT:
            self._entries()
            return
        argv = menu_command() or ()
        menu = next((path for path in _MENUS if os.path.exists(path)), _MENUS[0])
        own = os.stat(os.path.dirname(menu)).st_dev != os.stat(b"/").st_dev
        shutil.copy2(menu, menu + BEFORE)
        self._in_new_root(argv)
        content = self._redirection(menu)
        if own:  # the menu is one for both: it was written anew just now
            with open(menu, "rb") as stream:
                content = self._mark + stream.read()
        atomic.replace(menu, content, mode=stat.S_IMODE(os.stat(menu).st_mode))

    @property
    def _mark(self) -> bytes:
        return b"%s%s\n" % (_MARK, self._name)

    def _redirection(self, menu: bytes) -> bytes:
        """Return a menu that leads to that of the new root: GRUB looks for its own at the top level."""
        directory = os.path.dirname(menu)
        return self._mark + (
            b"search --no-floppy --fs-uuid --set=root %s\n"
            b"set prefix=($root)/%s%s\nconfigfile $prefix/grub.cfg\n"
            % (self._uuid.encode(), self._name, directory)
        )

    def _in_new_root(self, argv: Sequence[str]) -> None:
        paths = [one.path for one in self._facts.disk.mounted]
        outer = [path for path in paths if not any(path.startswith(one + b"/") for one in paths)]
        words: list[str | bytes] = [_PLACE, self._facts.disk.device, self._name, *outer, b"--", *argv]
        wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _SCRIPT, "impermanence"]
        command.run([*wrap, *words], timeout=TIMEOUT)

    def _entries(self) -> None:
        """Name the new root in each entry of the Boot Loader Specification that names none."""
        flags = b"rootflags=subvol=" + self._name

        def named(match: re.Match[bytes]) -> bytes:
            words = match[2].split()
            return match[0] if any(b"subvol" in word for word in words) else b"%s %s" % (match[0], flags)

        for path in _entry_files():
            with open(path, "rb") as stream:
                before = stream.read()
            content = _OPTIONS.sub(named, before)
            if content != before:
                atomic.replace(path, self._mark + content, mode=stat.S_IMODE(os.stat(path).st_mode))


def is_top_level(facts: Facts) -> bool:
    """Return whether the root is the top level of a BTRFS."""
    return facts.disk.fstype == b"btrfs" and not facts.disk.subvolume
