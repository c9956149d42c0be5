"""The plan of a set-up: from the facts to steps in plain words.  It changes nothing, and asks nobody."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Protocol

from ..boots.doctor import fstab_lines
from ..lazy import regex
from ..paths import within
from ..state import ARCHIVE, STATE
from ..text import first_of, to_text
from . import presets
from .facts import Facts, Initrd, Kept, Loader
from .refusals import Refusal, refusals
from .whitelist import PERSIST

ACCOUNTS = "impermanence-accounts.service"  # what brings changed accounts into the blank
MOST = 5  # paths that are named

_RESUME = regex(rb"(?:^|\s)resume=(\S+)")
_SUBVOLID = regex(rb"(?:^|,)subvolid=")


class Kind(enum.StrEnum):
    """The kinds of steps, in their order."""

    STATE = "state"
    PERSIST = "persist"
    CONFIGURATION = "configuration"
    STOP = "stop"
    KEEP = "keep"
    START = "start"
    INITRD = "initrd"
    MENU = "menu"
    BLANK = "blank"
    RECORD = "record"
    # Of a root that is moved out of the top level:
    SNAPSHOT = "snapshot"
    FSTAB = "fstab"
    LOADER = "loader"
    # Of the way back, with STOP and START:
    OFF = "off"
    RETURN = "return"
    FORGET = "forget"


class Accounts(enum.StrEnum):
    """What becomes of a change of accounts and passwords."""

    BLANK = "blank"  # the next boot has those of the blank
    FOLLOW = "follow"  # the change is brought into the blank when the machine shuts down


_FATE = {
    Accounts.BLANK: "the accounts (/etc/passwd, shadow, group, gshadow) are those of the blank: a password "
    "that is changed later is the old one again at the next boot, unless  impermanence blank accounts  "
    "brings it into the blank; setup --accounts follow has that done at each shutdown",
    Accounts.FOLLOW: "the accounts (/etc/passwd, shadow, group, gshadow) are those of the blank, and what is "
    "changed in them is brought into it at each shutdown",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step; what it does exactly, `steps` knows."""

    kind: Kind
    words: str  # for a person, in the infinitive
    kept: Kept | None = None  # of KEEP and RETURN


@dataclass(frozen=True, slots=True)
class Names:
    """The subvolumes that the set-up makes, from the top level."""

    root: bytes
    persist: bytes
    blank: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, or why nothing can be."""

    facts: Facts
    names: Names
    trial: bool
    refusals: tuple[Refusal, ...]
    kept: tuple[Kept, ...]
    without: tuple[bytes, ...]  # what the presets of that are not to declare
    accounts: Accounts
    steps: tuple[Step, ...]
    notes: tuple[str, ...]  # what stays as it is, and what a person should know before agreeing


class Decided(Protocol):
    """What of a plan is on the disk, see `job`."""

    @property
    def root(self) -> bytes: ...
    @property
    def persist(self) -> bytes: ...
    @property
    def blank(self) -> bytes: ...
    @property
    def trial(self) -> bool: ...
    @property
    def directories(self) -> tuple[bytes, ...]: ...
    @property
    def files(self) -> tuple[bytes, ...]: ...
    @property
    def presets(self) -> tuple[str, ...]: ...
    @property
    def without(self) -> tuple[bytes, ...]: ...
    @property
    def accounts(self) -> Accounts: ...


def plan(facts: Facts, *, trial: bool, accounts: Accounts = Accounts.BLANK) -> Plan:
    """Return the plan for a machine."""
    names = _names(facts)
    if found := refusals(facts):
        return Plan(facts, names, trial, found, (), (), accounts, (), ())
    kept, without = facts.files.kept, facts.files.without
    steps = tuple(steps_of(facts, names, kept, trial=trial))
    return Plan(facts, names, trial, (), kept, without, accounts, steps, tuple(_notes(facts, accounts)))


def resumed(facts: Facts, job: Decided) -> Plan:
    """Return the plan of a set-up that was cut: what was decided stays decided."""
    names = Names(job.root, job.persist, job.blank)
    why = {one.path: one.why for one in facts.files.kept}
    paths = (*((path, True) for path in job.directories), *((path, False) for path in job.files))
    in_order = sorted(paths, key=itemgetter(0))
    kept = tuple(
        Kept(path, directory, why.get(path, "declared"), presets.named(path, job.presets))
        for path, directory in in_order
    )
    steps = tuple(steps_of(facts, names, kept, trial=job.trial))
    return Plan(facts, names, job.trial, (), kept, job.without, job.accounts, steps, ())


def moving(facts: Facts, name: bytes, steps: tuple[Step, ...]) -> Plan:
    """Return the plan for a root that is moved out of the top level first."""
    names = replace(_names(facts), root=name, blank=name + b"-blank")
    return Plan(facts, names, False, (), (), (), Accounts.BLANK, steps, ())


def _names(facts: Facts) -> Names:
    """Name what is made as the distribution names its own: @persist beside @rootfs."""
    disk = facts.disk
    sign = b"@" if disk.subvolume.startswith(b"@") else b""
    there = {one.path: one.root for one in disk.mounted if one.same}
    persist = there.get(PERSIST) or _free(sign + b"persist", disk.names)
    return Names(disk.subvolume, persist, disk.subvolume + b"-blank")


def _free(name: bytes, taken: frozenset[bytes]) -> bytes:
    """Return the name, with a number if something has it already."""
    names = (name, *(b"%s%d" % (name, number) for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def steps_of(facts: Facts, names: Names, kept: tuple[Kept, ...], *, trial: bool) -> Iterator[Step]:
    """Yield the steps; a cut after any but the last of them leaves a machine that boots as before."""
    persist, root = to_text(PERSIST), to_text(names.root)
    yield Step(Kind.STATE, f"make {to_text(STATE)} and {to_text(ARCHIVE)} at the top level of the filesystem")
    yield Step(
        Kind.PERSIST,
        f"make the subvolume {to_text(names.persist)} and mount it at {persist}, by a line in /etc/fstab",
    )
    wipes = "as a trial, which wipes nothing" if trial else "with wiping on"
    yield Step(Kind.CONFIGURATION, f"declare in /etc/impermanence/config.d what persists, {wipes}")
    yield Step(Kind.STOP, "stop the services that write there now")
    for one in kept:
        path = to_text(one.path)
        words = f"copy {path} to {persist}{path}, compare, and mount the copy there ({one.why})"
        yield Step(Kind.KEEP, words, one)
    yield Step(Kind.START, "start the services again")
    yield Step(Kind.INITRD, f"build the initrd of {_kernels(facts)} with the hook, and look into it")
    if facts.files.loader is Loader.GRUB and facts.files.menu:
        yield Step(Kind.MENU, "write the boot menu anew")
    yield Step(
        Kind.BLANK,
        f"take the blank {to_text(names.blank)} from {root}: as it is now, without what lies under the "
        "mounts and in /tmp and /var/tmp",
    )
    counted = "count the blank as a release, with a digest of each file"
    yield Step(Kind.RECORD, f"{counted}, and write the record that the hook obeys")


def _kernels(facts: Facts) -> str:
    releases = list(dict.fromkeys(one.release for one in facts.files.kernels))
    builder = facts.files.initrd or Initrd.INITRAMFS_TOOLS
    return f"{'each of ' if len(releases) > 1 else ''}{first_of(releases, MOST)} ({builder})"


def _notes(facts: Facts, accounts: Accounts) -> Iterator[str]:
    files, disk = facts.files, facts.disk
    for one in disk.mounted:
        if one.path in (b"/home", b"/var", b"/var/log", b"/srv", b"/root", b"/opt", b"/usr/local"):
            yield f"{to_text(one.path)} is mounted by itself, so it persists as it is"
    yield "/etc/machine-id stays in the blank, where it can be read before anything is mounted"
    yield _FATE[accounts]
    if boot := next((one for one in disk.mounted if one.path in (b"/boot", b"/boot/efi", b"/efi")), None):
        what = "a kernel update reaches it at once, and its modules need the next blank"
        if boot.path == b"/boot":
            yield f"/boot is a filesystem of its own: {what}"
    if lost := _lost(facts):
        yield (
            f"nested subvolumes go with the old root, and the new one has an empty directory there: "
            f"{first_of(lost, MOST)}"
        )
    if match := _RESUME.search(facts.cmdline):
        yield f"a machine that resumes from {to_text(match[1])} is left alone by the hook"
    if files.loader is None:
        yield "no boot loader was recognised: its menu gets no entries, and impermanence= is typed by hand"
    for number, words in fstab_lines(files.fstab):
        if words[1] == b"/" and _SUBVOLID.search(words[3]):
            yield f"/etc/fstab:{number} names the root by subvolid= as well: that word is taken out there"


def _lost(facts: Facts) -> list[bytes]:
    """Return the nested subvolumes that nothing keeps."""
    kept = [one.path for one in facts.files.kept]
    mounted = {one.path for one in facts.disk.mounted}
    return [
        path
        for path in facts.disk.nested
        if path not in mounted and not any(within(path, one) for one in kept)
    ]


def place_in(persist: bytes, path: bytes) -> bytes:
    """Return where a path of the root is kept in a persist volume."""
    return os.path.join(persist, path.lstrip(b"/"))
