"""The remedies for what `reasons` lists, in the names of this machine: commands to paste.

The names come from the record that the hook obeys, not from the configuration, which may be the fault.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence

from ..errors import ImpermanenceError, RecordError
from ..kernel import btrfs
from ..lazy import NamedTuple
from ..state import ROLLBACK
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import good, loaders, records
from .reasons import REASONS, Reason
from .records import RollbackEnv

_MERGED = "usr/lib/modules"


class Names(NamedTuple):
    """What the commands of a remedy name; where it is not known, a word for it."""

    device: str = "DEVICE"
    volume: str = "VOLUME"  # its path from the top level, as are the next two
    blank: str = "BLANK"
    archive: str = "ARCHIVE"
    kernel: str = "KERNEL"
    modules: str = "lib/modules"  # where a root has the modules of its kernels

    @property
    def top(self) -> str:
        """Return the command that shows the top level of the filesystem at /mnt."""
        return mount_top(self.device.encode())

    def fill(self, text: str) -> str:
        """Return a text of the table with these names."""
        return text.format(
            top=self.top,
            device=self.device,
            volume=self.volume,
            blank=self.blank,
            archive=self.archive,
            kernel=self.kernel,
            modules=self.modules,
        )


NO_NAMES = Names()


class Remedy(NamedTuple):
    """What to do about something: in words, and as commands in their order."""

    words: str
    commands: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Return both in one line, which can be pasted from the colon on."""
        return f"{self.words}: {joined(self.commands)}" if self.commands else self.words


def reason_of(code: str | None) -> Reason | None:
    """Return the row of a reason, or None for a code that is not in the table."""
    return next((reason for reason in REASONS if reason.code == code), None)


def of(code: str | None, names: Names = NO_NAMES) -> Remedy | None:
    """Return what to do about a reason, or None for a code that is not in the table."""
    reason = reason_of(code)
    if reason is None:
        return None
    commands = names.fill(reason.commands).split(" && ") if reason.commands else ()
    return Remedy(names.fill(reason.advice), tuple(commands))


def joined(commands: Sequence[str]) -> str:
    """Return commands as one line for a shell, which stops at the first that fails."""
    return " && ".join(commands)


def mount_top(device: bytes | None) -> str:
    """Return the command that shows the top level of a filesystem at /mnt; None: that of the root."""
    named = '"$(findmnt -nvo SOURCE /)"' if device is None else shlex.quote(to_text(device))
    return f"mount -o subvolid=5 {named} /mnt"


def set_read_only(device: bytes | None, subvolume: bytes, *, value: bool) -> tuple[str, ...]:
    """Return the commands that make a subvolume read-only or writable."""
    place = shlex.quote(f"/mnt/{to_text(subvolume)}")
    return mount_top(device), f"btrfs property set -ts {place} ro {str(value).lower()}"


def snapshot(device: bytes, source: bytes, target: bytes) -> tuple[str, ...]:
    """Return the commands that take a read-only snapshot; both paths are from the top level."""
    places = (shlex.quote(f"/mnt/{to_text(path)}") for path in (source, target))
    return mount_top(device), f"btrfs subvolume snapshot -r {' '.join(places)}"


def in_blank(device: bytes | None, blank: bytes, *commands: str) -> tuple[str, ...]:
    """Return the commands with the blank at /mnt/BLANK writable for as long as they take."""
    _, read_only = set_read_only(device, blank, value=True)
    return *set_read_only(device, blank, value=False), *commands, read_only


def persist_volume(device: bytes, path: bytes) -> tuple[str, ...]:
    """Return the commands that make a persist volume for a path, with all that is there, and mount it."""
    name = to_text(os.path.basename(path.rstrip(b"/")) or b"persist")
    here, there = shlex.quote(to_text(path)), shlex.quote(f"/mnt/{name}")
    line = f"UUID=$(findmnt -no UUID /) {to_text(path)} btrfs subvol={name} 0 0"
    return (
        mount_top(device),
        f"btrfs subvolume create {there}",
        f"mkdir -p {here} && cp -a --reflink=auto {here}/. {there}/",
        f'echo "{line}" >> /etc/fstab',
        f"systemctl daemon-reload && mount {here}",
    )


def names_of_root(mountpoint: bytes, volume: str | None = None) -> Names:
    """Return the names of the system whose root is mounted there, as far as the caller may look.

    `volume` is the name of the one that something is about, where there are several.
    """
    with contextlib.suppress(ImpermanenceError, OSError), good.top_level_of(mountpoint) as (top, subvolume):
        return names_of(top, subvolume, volume, mountpoint)
    return NO_NAMES


def names_of_machine(machine: Machine, volume: str | None = None) -> Names:
    """Return the names of the system that the volumes belong to; `volume` as above."""
    # Where the root is no volume, the record alone knows its name.
    root = next((one.subvolume for one in machine.volumes if one.path == b"/"), b"")
    return names_of(machine.top, root, volume, system_root(machine.volumes))


def names_of(
    top: int, root: bytes, name: str | None = None, mountpoint: bytes | None = None
) -> Names:
    """Return the names of a system; `top` is a descriptor of the top level, `root` the path of its root,
    `name` that of a volume, and `mountpoint` where the root is mounted.
    """
    rollback = _record(top)
    volumes = rollback.volumes if rollback is not None else ()
    meant = [one for one in volumes if name in (None, one.name)]
    # Of several volumes it may be any: the reason itself names it.
    volume = meant[0] if len(meant) == 1 else None
    return Names(
        device=_device(top),
        volume=_word(volume.subvolume if volume is not None else None if volumes else root, NO_NAMES.volume),
        blank=_word(volume.blank if volume is not None else None, NO_NAMES.blank),
        archive=_word(rollback.archive if rollback is not None else None, NO_NAMES.archive),
        kernel=shlex.quote(to_text(loaders.next_release(mountpoint))),
        modules=_modules(top, root),
    )


def _record(top: int) -> RollbackEnv | None:
    with contextlib.suppress(OSError, RecordError):
        return records.parse_rollback(records.read(ROLLBACK, ROLLBACK, dir_fd=top))
    return None


def _device(top: int) -> str:
    return to_text(next((name for name in btrfs.devices(top) if os.path.exists(name)), b"DEVICE"))


def _modules(top: int, root: bytes) -> str:
    """Return where a root has its modules: in a merged one, /lib is a link that leads out of a blank."""
    try:
        os.stat(os.path.join(root, os.fsencode(_MERGED)), dir_fd=top)
    except OSError:
        return NO_NAMES.modules
    return _MERGED


def _word(path: bytes | None, unknown: str) -> str:
    return shlex.quote(to_text(path)) if path else unknown
