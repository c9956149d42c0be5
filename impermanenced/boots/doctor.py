"""Examinations of everything that would stop a rollback, made before the boot that needs it.

The program of the initrd foretells what it would refuse; here is what it cannot see.  Nothing is changed.
Each examination yields what it finds; one that cannot look yields that.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import btrfsutil

from ..config.load import Config
from ..errors import ImpermanenceError, NotSetUp
from ..kernel import btrfs, mounts
from ..lazy import NamedTuple, regex
from ..model import Decision, Volume
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import history, setup
from .examine import OFF, OTHER, TYPED, UNKNOWN
from .remedy import NO_NAMES, Names, Remedy, names_of_machine, of

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)  # the worst first
LARGEST = 1 << 20  # bytes of a table that are read

_FSTAB = b"etc/fstab"
_SUBVOLID = regex(rb"(?:^|,)subvolid=(?:0x0*|0*)([0-9a-fA-F]+)(?:,|$)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and what to do about it."""

    severity: str  # ERROR: data or the next boot is at risk; WARNING: a lesser problem; NOTE: none
    what: str  # where and why, printable
    hint: str
    code: str | None = None  # of the table in `reasons`, where the program of the initrd foretells it
    commands: tuple[str, ...] = ()  # that do what the hint says, in their order
    safe: bool = False  # whether `doctor --fix` may run them: they need no shell, and can take nothing away

    @classmethod
    def with_remedy(
        cls, severity: str, what: str, remedy: Remedy, code: str | None = None, *, safe: bool = False
    ) -> Finding:
        """Return a finding with what a remedy says."""
        return cls(severity, what, remedy.words, code, remedy.commands, safe)


@dataclass(frozen=True, slots=True)
class Running:
    """The tables of the running system; they are empty when another system is examined."""

    swaps: bytes = b""

    @classmethod
    def read(cls) -> Running:
        """Return the tables of this system."""
        return cls(_content(b"/proc/swaps"))


def examine(config: Config, machine: Machine, running: Running, decision: Decision) -> list[Finding]:
    """Return what is wrong, the errors first; `decision` is that of the next boot."""
    found = [
        *foretold(decision, names_of_machine(machine, decision.volume)),
        *_record(config, machine, decision),
        *mounted_by_number(machine, _tables(machine)),
        *_swap(machine, running),
        *_history(config, machine, decision),
    ]
    return worst_first(found)


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """Return findings sorted by what is at risk."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def foretold(decision: Decision, names: Names = NO_NAMES) -> Iterator[Finding]:
    """Yield what the program of the initrd foretells, unless the next boot will do as it is told.

    `names` are those of the machine.
    """
    remedy = of(decision.code, names) or Remedy("the kernel log of a boot has what it says")
    if decision.action == UNKNOWN:
        what = f"what the next boot will do is not known: {decision.why}"
        yield Finding(WARNING, what, "install the package's initrd hook, and run this as root")
    elif decision.code in TYPED and not decision.fails:
        what = f"nothing is rolled back with the kernel command line of this boot: {decision.why}"
        yield Finding.with_remedy(WARNING, what, remedy, decision.code)
    elif decision.action == OFF:
        what = f"nothing will be rolled back: {decision.why}"
        yield Finding.with_remedy(ERROR, what, remedy, decision.code)
    elif decision.action == OTHER:
        what = f"another root boots than the one that is rolled back: {decision.why}"
        yield Finding.with_remedy(ERROR, what, remedy, decision.code)
    elif decision.fails:
        what = f"the rollback of the next boot will be refused: {decision.why}"
        yield Finding.with_remedy(ERROR, what, remedy, decision.code)


def _record(config: Config, machine: Machine, decision: Decision) -> Iterator[Finding]:
    """Compare what the hook reads with the present configuration and disk."""
    try:
        there = machine.has_state()
        steps = setup.plan(config, machine)
    except ImpermanenceError as error:
        # What the hook refuses, setup refuses too, in other words.
        if not decision.fails:
            yield Finding(ERROR, error.message, error.hint or "impermanence setup --dry-run")
        return
    if not there:
        if decision.action == UNKNOWN:
            yield Finding(ERROR, "the machine is not set up: nothing is rolled back", "impermanence setup")
    elif steps and decision.code != "no-record":
        words = "; ".join(step.words for step in steps)
        yield Finding(
            WARNING,
            f"setup has not been run since something changed. It would {words}",
            "run it",
            commands=("impermanence setup",),
            safe=True,
        )


# -- by number ---------------------------------------------------------------------------------------


class MountLine(NamedTuple):
    """A line of an fstab(5), or a mount unit: where it stands, and the mount that it asks for."""

    place: str
    where: bytes
    fstype: bytes
    options: bytes


def roots(machine: Machine) -> Iterator[tuple[str, bytes]]:
    """Yield the running system and the blank that the next boot has: (prefix of its paths, where it is)."""
    root = system_root(machine.volumes)
    if root is not None:
        yield "", root
    for volume in machine.volumes:
        if volume.path == b"/" and volume.blank is not None:
            yield to_text(volume.blank), machine.at(volume.blank)


def mounted_by_number(machine: Machine, lines: Iterable[MountLine], key: str = "") -> Iterator[Finding]:
    """Find volumes that are mounted by number: after a switch, that is the number of the old root.

    `key` is what stands before the options at such a place.
    """
    said = set()
    for line in lines:
        volume = _meant_by_number(machine, line)
        if volume is not None and (line.where, line.options) not in said:
            said.add((line.where, line.options))
            yield Finding(
                ERROR,
                f"{line.place}: {to_text(line.where)} is mounted by subvolid=, "
                "after a rollback the number of the old root",
                f"name it there: {key}subvol={to_text(volume.subvolume)}",
            )


def _tables(machine: Machine) -> Iterator[MountLine]:
    for prefix, root in roots(machine):
        # A link in the blank leads into the system that runs.
        content = _content(os.path.join(root, _FSTAB), flags=os.O_NOFOLLOW if prefix else 0)
        for number, (_, *mount) in fstab_lines(content):
            yield MountLine(f"{prefix}/{os.fsdecode(_FSTAB)}:{number}", *mount)


def fstab_lines(content: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Yield number and the first four words of each line of an fstab(5)."""
    for number, line in enumerate(content.splitlines(), 1):
        words = [mounts.unescape(word) for word in line.split()]
        if len(words) >= 4 and not words[0].startswith(b"#"):
            yield number, words[:4]


def _meant_by_number(machine: Machine, line: MountLine) -> Volume | None:
    match = _SUBVOLID.search(line.options)
    if match is None or line.fstype not in (b"btrfs", b"auto"):
        return None
    return next(
        (volume for volume in machine.volumes if volume.path == line.where or _is(volume, match)),
        None,
    )


def _is(volume: Volume, match: re.Match[bytes]) -> bool:
    return int(match[1], 16 if b"0x" in match[0] else 10) == volume.root_id


# -- swap --------------------------------------------------------------------------------------------


def _swap(machine: Machine, running: Running) -> Iterator[Finding]:
    for path in swap_files(running.swaps):
        volume = _holder(machine, path)
        if volume is not None:
            yield Finding(
                WARNING,
                f"the swap file {to_text(path)} lies in volume {volume.name}: "
                "the next boot has none, and an old root takes its space until it is pruned",
                "make one in a subvolume of its own (btrfs filesystem mkswapfile)",
            )


def swap_files(swaps: bytes) -> Iterator[bytes]:
    """Yield the swap files in /proc/swaps; a deleted one has no path."""
    for line in swaps.splitlines()[1:]:
        words = line.split()
        if len(words) >= 2 and words[1] == b"file":
            yield mounts.unescape(words[0])


def _holder(machine: Machine, path: bytes) -> Volume | None:
    """Return the volume that a file of the running system lies in, or in a subvolume nested in it,
    or None.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if btrfs.fs_info(fd)[0] != machine.filesystem:
            return None
        number = int(btrfsutil.subvolume_id(fd))
    except (OSError, btrfsutil.BtrfsUtilError):  # another kind of filesystem
        return None
    finally:
        os.close(fd)
    return next(
        (one for one in machine.volumes if number == one.root_id or number in machine.nested(one.root_id)),
        None,
    )


# -- records -----------------------------------------------------------------------------------------


def _history(config: Config, machine: Machine, decision: Decision) -> Iterator[Finding]:
    try:
        found = history.read(machine, config.archive.directory, history.this_boot_id())
    except NotSetUp:
        return
    newest = True
    for boot in found.boots:
        told = newest and decision.code == "last-record-invalid"
        newest = newest and boot.record is None and boot.fault is None
        if boot.fault is not None and not told:
            yield Finding(
                WARNING, f"boot {boot.number}: {boot.fault}", "move it away: the hook reads the newest one"
            )


def _content(path: bytes, *, flags: int = 0) -> bytes:
    """Return the content of a table, or b"" if it does not exist or is no regular file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        with open(fd, "rb", closefd=False) as stream:
            return stream.read(LARGEST)
    finally:
        os.close(fd)
