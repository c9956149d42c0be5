"""What keeps a path from being adopted: everything is looked at before anything is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterable

from ... import copying
from ...config.placement import BIND, SYMLINK
from ...errors import ImpermanenceError, UsageError
from ...kernel import mounts, openat2, proc
from ...kernel.holders import Holder
from ...model import Declaration, Report
from ...paths import within
from ...report.writing import writing_units
from ...text import first_of, size_to_text, to_text
from ...volumes import placement
from ...volumes.mounted import EPHEMERAL
from . import originals
from .ground import Ground, Services
from .live import Live
from .store import Store

MOST = 3  # names of a list
_SPARE = 1 << 20  # bytes that stay free for what the filesystem itself needs


def check_live(live: Live, ground: Ground, persist: bytes, *, replaces: bool) -> os.stat_result:
    """Return what is at the path.  Raises UsageError if it cannot be adopted, or need not be.

    With `replaces` something may be mounted there.
    """
    facts = live.facts()
    if (declared := _declared_above(live.path, ground)) is not None:
        raise UsageError(
            f"{live.shown} lies in {to_text(declared.path)}, which is declared in {declared.source}",
            f"impermanence persist {to_text(declared.path)}",
        )
    mount = live.mount()
    if mount is not None:
        _check_mount(live, mount, replaces=replaces)
    if live.volume() is None:
        raise UsageError(*_elsewhere(live, ground))
    if stat.S_ISLNK(facts.st_mode):
        raise UsageError(
            f"{live.shown} is a link to {to_text(os.readlink(live.name, dir_fd=live.above))}",
            "name what it leads to",
        )
    if not stat.S_ISDIR(facts.st_mode) and not stat.S_ISREG(facts.st_mode):
        raise UsageError(
            f"{live.shown} is neither a directory nor a file", "name the directory that it lies in"
        )
    for one in ground.config.declarations:
        if one.path == live.path and (one.directory, one.persist) != (stat.S_ISDIR(facts.st_mode), persist):
            raise UsageError(f"{live.shown} is declared otherwise in {one.source}", "change one of them")
    return facts


def check_whole(live: Live, ground: Ground) -> None:
    """Raise UsageError for a path that holds what cannot move with it: mounts, declarations, volumes."""
    if others := live.others_mounted():
        raise UsageError(
            f"{live.shown}: something is mounted in it: {first_of(others, MOST)}",
            "a mount over it would hide that: unmount it, or name what lies beside it",
        )
    for volume in ground.machine.volumes:
        if within(volume.path, live.path):
            raise UsageError(
                f"{live.shown} is the whole volume {volume.name}", "name what is to be kept of it"
            )
    for persist in ground.config.persist:
        if within(persist, live.path) or within(live.path, persist):
            raise UsageError(
                f"{live.shown}: the persist volume {to_text(persist)} is there", "name another path"
            )
    below = [one.path for one in ground.config.declarations if one.path.startswith(live.path + b"/")]
    if below:
        raise UsageError(
            f"{live.shown}: {first_of(below, MOST)} in it is declared by itself",
            "take that declaration out first",
        )
    for line in _lines("/proc/swaps"):
        if within(mounts.unescape(line.partition(b" ")[0]), live.real):
            raise UsageError(f"{live.shown}: a swap file in it is in use", "swapoff it")


def check_store(store: Store, live: Live, facts: os.stat_result, ground: Ground) -> None:
    """Raise UsageError or ImpermanenceError if the persist volume cannot take the path."""
    for one in placement.misplaced([store.persist], ground.machine.volumes):
        raise UsageError(one.words, one.hint)
    number = mounts.mount_id(store.top)
    mount = next((one for one in mounts.read() if one.id == number), None)
    shown = to_text(store.persist)
    if mount is not None and mount.fstype in EPHEMERAL:
        raise UsageError(
            f"{shown} is a {to_text(mount.fstype)}, which keeps nothing", "--to names another volume"
        )
    status = os.fstatvfs(store.top)
    if status.f_flag & os.ST_RDONLY:
        raise ImpermanenceError(f"{shown} is mounted read-only", f"mount -o remount,rw {shown}")
    there = store.facts()
    if there is not None and not _is_empty(store, there, facts):
        raise ImpermanenceError(
            f"{store.shown} exists already, and so does {live.shown}: which of them counts is for you to say",
            f"move one of them away; impermanence apply then uses {store.shown}",
        )


def check_space(store: Store, live: Live, size: copying.Size) -> None:
    """Raise ImpermanenceError if there is no room for a copy that shares nothing."""
    if os.fstat(live.above).st_dev == os.fstat(store.top).st_dev or _same_filesystem(live, store):
        return
    status = os.fstatvfs(store.top)
    free = status.f_bavail * status.f_frsize
    if size.allocated + _SPARE > free:
        raise ImpermanenceError(
            f"{to_text(store.persist)} has {size_to_text(free)} free, and {live.shown} takes "
            f"{size_to_text(size.allocated)}",
            "make room, or choose another volume: --to",
        )


def refuse_users(live: Live, users: Iterable[Holder], *, verb: str = "persist") -> None:
    """Raise ImpermanenceError that names who holds something of the path."""
    found = sorted(users, key=lambda one: (one.use, one.pid))
    if not found:
        return
    first = found[0]
    unit = proc.unit_of(proc.cgroup(first.pid))
    who = unit.name or to_text(proc.comm(first.pid)) or "a process"
    more = f", and {len(found) - 1:,} more" if len(found) > 1 else ""
    raise ImpermanenceError(
        f"{who} (pid {first.pid}) {first.use} {to_text(first.path)}{more}; nothing was changed",
        f"impermanence {verb} --stop {unit.name} {live.shown}"
        if unit.kind == "system" and unit.name.endswith(".service")
        else "end it, and try again",
    )


def refuse_writers(report: Report, path: bytes, stop: Container[str], services: Services) -> None:
    """Raise ImpermanenceError for a unit that runs, and was seen writing at or below the path, unless it is
    stopped: it may have nothing open now, and write there again at any moment.
    """
    units = writing_units(report, path)
    for unit in services.running(tuple(sorted(one for one in units if one not in stop))):
        raise ImpermanenceError(
            f"{unit} runs, and has written {to_text(units[unit])}; nothing was changed",
            f"impermanence persist --stop {unit} {to_text(path)}",
        )


def check_method(live: Live, facts: os.stat_result, method: str) -> None:
    """Raise UsageError for a method that the path cannot be kept by."""
    if method == BIND:
        return
    if live.mount() is not None:
        raise UsageError(
            f"{live.shown}: neither a link nor a copy takes the place of a mount", "leave out --method"
        )
    if method == SYMLINK:
        originals.check(live)
    elif stat.S_ISDIR(facts.st_mode):
        raise UsageError(
            f"{live.shown} is a directory, and copies are made of files alone", "leave out --method sync"
        )


def _check_mount(live: Live, mount: mounts.Mount, *, replaces: bool) -> None:
    """Raise UsageError if what is mounted at the path cannot be adopted, or was not meant."""
    origin = f"{to_text(mount.fstype)} from {to_text(mount.source)}"
    what = f"{live.shown}: something is mounted there already ({origin})"
    if mount.fstype in EPHEMERAL - {b"tmpfs", b"ramfs"}:
        raise UsageError(what, "nothing there can persist")
    if not replaces:
        raise UsageError(
            what,
            "impermanence status --persist says whether it is kept; --replace copies it, and takes its place",
        )
    if not stat.S_ISDIR(live.facts().st_mode):
        raise UsageError(what, "only the mount of a directory can be replaced: unmount it first")
    if live.is_stacked():
        raise UsageError(f"{what}, over another mount", "unmount one of them")
    beneath = openat2.open_directory(live.beneath(), live.name, os.O_RDONLY)
    try:
        if os.listdir(beneath):
            raise UsageError(
                f"{what}, and what lies beneath it is not empty", "unmount it, and say which of both counts"
            )
    finally:
        os.close(beneath)
    live.go_through()


def _declared_above(path: bytes, ground: Ground) -> Declaration | None:
    for one in ground.config.declarations:
        if one.path != path and one.directory and within(path, one.path):
            return one
    return None


def _elsewhere(live: Live, ground: Ground) -> tuple[str, str]:
    number = mounts.mount_id(live.above)
    mount = next((one for one in mounts.read() if one.id == number), None)
    if mount is None:
        return f"{live.shown} lies in no volume that is rolled back", "nothing has to be done for it"
    at = mount.path[len(ground.root.rstrip(b"/")) :] or b"/"
    what = f"what is mounted at {to_text(at)} ({to_text(mount.fstype)} from {to_text(mount.source)})"
    if mount.fstype in EPHEMERAL:
        return f"{live.shown} is in {what}, which every boot makes anew", "nothing there can persist"
    return f"{live.shown} is in {what}, and no wipe takes that away", "nothing has to be done for it"


def _is_empty(store: Store, there: os.stat_result, live: os.stat_result) -> bool:
    """Return whether the source is only what had to be there for a mount: empty, and of the same kind."""
    if stat.S_IFMT(there.st_mode) != stat.S_IFMT(live.st_mode):
        return False
    if stat.S_ISREG(there.st_mode):
        return there.st_size == 0 and there.st_nlink == 1
    fd = os.open(
        store.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=store.above()
    )
    try:
        return not os.listdir(fd)
    finally:
        os.close(fd)


def _same_filesystem(live: Live, store: Store) -> bool:
    return copying.share(live.above, store.top)


def _lines(path: str) -> list[bytes]:
    with open(path, "rb") as stream:
        return stream.read().split(b"\n")
