"""The way back: what was kept returns to its old place, and nothing is wiped or mounted any more.

Nothing is deleted: the subvolumes of the blank, of what was kept and of the old roots stay until somebody
deletes them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..boots import off
from ..config.load import VolumeSettings, load
from ..errors import ConfigError, NotSetUp
from ..kernel import libc, mounts, openat2
from ..kernel.holders import Holder
from ..kernel.mounts import Mount
from ..paths import within
from ..releases import listing
from ..state import SETUP
from ..system.services import Services
from ..text import to_text
from ..volumes.machine import Machine
from . import drop_in, fstab, keeping
from .facts import Kept
from .job import Job, Way
from .plan import ACCOUNTS, Kind, Step, place_in
from .told import Told
from .whitelist import PERSIST
from .work import Act, Work

_GONE = b"-removed"


@dataclass(frozen=True, slots=True)
class Removal:
    """What would be done."""

    job: Job
    steps: tuple[Step, ...]
    left: tuple[bytes, ...]  # subvolumes that stay, from the top level


def plan(machine: Machine, left: Job | None) -> Removal:
    """Return the way back from what is mounted here; `left` is the record of what was done before, if any.

    Raises NotSetUp where there is nothing to take back.
    """
    root = machine.volumes[0]
    persist = _persist(left)
    if persist is None:
        raise NotSetUp("nothing is mounted at /persist: nothing to take back", "impermanence setup --off")
    kept = tuple(_kept(persist, left))
    work = Job(
        Way.REMOVE,
        root=root.subvolume,
        persist=persist,
        blank=root.blank or (left.blank if left is not None else root.subvolume + b"-blank"),
        directories=tuple(one.path for one in kept if one.directory),
        files=tuple(one.path for one in kept if not one.directory),
        stopped=left.stopped if left is not None else (),
    )
    steps = tuple(_steps(work, kept))
    releases = (one.path for one in listing.places(machine, work.blank) if one.path != work.blank)
    stays = (persist, load_archive(), work.blank + _GONE, *sorted(releases))
    return Removal(work, steps, tuple(one for one in stays if one))


def load_archive() -> bytes:
    """Return where the old roots are, by the configuration or by default."""
    try:
        return load(None).archive.directory
    except ConfigError:
        return b""


def _persist(left: Job | None) -> bytes | None:
    mount = keeping.mounted_at(PERSIST)
    if mount is not None and mount.fstype == b"btrfs" and mount.root != b"/":
        return mount.root[1:]
    return left.persist if left is not None else None


def _kept(persist: bytes, left: Job | None) -> Iterator[Kept]:
    """Yield what is mounted from the persist volume, or linked to it, and what a way back that was cut has
    yet to return; sorted by path.
    """
    found = {mount.path for mount in mounts.read() if _is_from(mount, persist)}
    if left is not None and left.way is Way.REMOVE:
        found |= {*left.directories, *left.files}
    with contextlib.suppress(ConfigError):
        found |= {one.declaration.path for one in load(None).placements if _is_linked(one.declaration.path)}
    for path in sorted(found):
        with contextlib.suppress(OSError):
            yield Kept(path, stat.S_ISDIR(os.stat(path).st_mode), "kept")


def _is_from(mount: Mount, persist: bytes) -> bool:
    return mount.fstype == b"btrfs" and mount.root == b"/" + persist + mount.path


def _is_linked(path: bytes) -> bool:
    try:
        return within(os.path.normpath(os.readlink(path)), PERSIST)
    except OSError:
        return False


def _steps(work: Job, kept: Sequence[Kept]) -> Iterator[Step]:
    yield Step(Kind.OFF, "switch wiping off")
    yield Step(Kind.STOP, "stop the services that write to what was kept")
    for one in kept:
        path = to_text(one.path)
        yield Step(Kind.RETURN, f"copy {to_text(PERSIST)}{path} back to {path}, compare, and unmount", one)
    yield Step(
        Kind.FORGET,
        f"take the lines of setup out of /etc/fstab, remove {to_text(drop_in.DROP_IN)}, unmount "
        f"{to_text(PERSIST)}, and call the blank {to_text(work.blank + _GONE)}",
    )
    yield Step(Kind.START, "start the services again")


class TakingBack:
    """A way back that is on its way."""

    def __init__(
        self, machine: Machine, volumes: Sequence[VolumeSettings], found: Removal, told: Told
    ) -> None:
        self._machine = machine
        self._volumes = volumes
        self._found = found
        self._work = Work(machine, found.job, told)

    def run(self) -> tuple[Holder, ...]:
        """Do all steps, and return who still works in what was unmounted."""
        acts: Mapping[Kind, Act] = {
            Kind.OFF: self._off,
            Kind.STOP: self._stop,
            Kind.RETURN: self._return,
            Kind.FORGET: self._forget,
            Kind.START: lambda _: self._work.start(),
        }
        self._work.run(self._found.steps, acts)
        os.unlink(self._machine.at(SETUP))
        self._machine.sync()
        return self._work.left

    def _off(self, _: Step) -> None:
        Services().disable([ACCOUNTS])
        off.run(self._volumes, dry_run=False)

    def _stop(self, _: Step) -> None:
        paths = (*self._found.job.directories, *self._found.job.files)
        self._work.stop(paths)

    def _return(self, step: Step) -> None:
        """Fill the place below the mount, and take the mount away only when that is on the disk: a boot
        in between finds the one or the other.
        """
        assert step.kept is not None
        path, persist, root = step.kept.path, self._found.job.persist, self._found.job.root
        mounted, beside = keeping.is_kept(path, persist), _beside(path)
        with openat2.root(self._machine.at(persist)) as kept, openat2.root(self._machine.at(root)) as under:
            if mounted and not step.kept.directory:
                keeping.refill(kept, under, path)
            elif mounted:
                keeping.copy(kept, under, path, self._work.told.copied)
            elif _is_linked(path):
                keeping.copy(kept, under, path, self._work.told.copied, as_name=os.path.basename(beside))
            self._machine.sync()
            before = fstab.read()
            line = fstab.bind_line(place_in(PERSIST, path), path, PERSIST)
            fstab.write(before, fstab.without(before, [line]))
            if mounted:
                keeping.unmount(path)
            elif _is_linked(path):
                names = openat2.relative(beside), openat2.relative(path)
                libc.renameat2(under, names[0], under, names[1], libc.RENAME_EXCHANGE)
                os.unlink(names[0], dir_fd=under)

    def _forget(self, _: Step) -> None:
        machine = self._machine
        with contextlib.suppress(FileNotFoundError):
            os.unlink(drop_in.DROP_IN)
        before = fstab.read()
        fstab.write(before, fstab.without_place(before, PERSIST))
        if keeping.mounted_at(PERSIST) is not None:
            keeping.unmount(PERSIST)
        with contextlib.suppress(OSError):  # somebody has put something there
            os.rmdir(PERSIST)
        blank, gone = self._found.job.blank, self._found.job.blank + _GONE
        if machine.is_subvolume(blank) and not os.path.lexists(machine.at(gone)):
            os.rename(machine.at(blank), machine.at(gone))


def _beside(path: bytes) -> bytes:
    """Return the name under which something waits until it takes the place of a link."""
    directory, name = os.path.split(path)
    return os.path.join(directory, b"." + name + b".setup")
