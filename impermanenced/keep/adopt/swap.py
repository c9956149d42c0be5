"""How a path comes to show what the persist volume has, and how it goes back: one class for each method.

    Mount    the source is mounted over the path; what was there stays beneath, and a mount is replaced
    Link     a link changes places with what was there, which goes to the originals of the volume
    Copy     the path stays the file that it is, and each new version is copied to the source

Whichever it is, a program that looks the path up finds the old or the new at any moment, and never nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Protocol

from ...boots.records.job import Job
from ...config.placement import SYMLINK, SYNC
from ...errors import ImpermanenceError, UsageError
from ...kernel import attach, openat2
from .. import sync
from . import changes, originals
from .changes import Place
from .ground import Ground
from .live import Live
from .store import Store


class Swap(Protocol):
    """What a method does."""

    notes: list[str]  # what a person has to know

    def make(self) -> int | None:
        """Have the path show the source; return since when, or None if nothing had to change."""

    def before(self) -> Place | None:
        """Return where that is by now which was at the path before; None if it is still at the path."""

    def back(self) -> Place | None:
        """Return where a copy has to be made that comes back to the path; None if the path has it."""

    def unmake(self) -> int | None:
        """Have the path show what came back; return since when, or None as `make` does."""

    def close(self) -> None:
        """Close what is open, and remove what nobody needs."""


def of(ground: Ground, job: Job, live: Live, store: Store) -> Swap:
    """Return what the method of a job does."""
    if job.method == SYMLINK:
        return Link(job, live, store)
    return Copy(ground, live, store) if job.method == SYNC else Mount(job, live, store)


class Mount:
    """The source, mounted over the path."""

    def __init__(self, job: Job, live: Live, store: Store) -> None:
        self.notes: list[str] = []
        self._job, self._live, self._store = job, live, store

    def make(self) -> int | None:
        """Mount the source over the path in one step, or in the place of the mount that the job replaces."""
        live, store = self._live, self._store
        source = os.open(store.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=store.above())
        opened = [source]
        try:
            opened.append(place := live.entry())
            if os.path.samestat(os.fstat(place), os.fstat(source)):
                return None
            if live.is_stacked():  # a job that was cut has put the source beneath
                attach.detach(live.above, live.name, used=True)
                return changes.now()
            opened.append(mount := attach.clone(source))
            swapped = changes.now()
            if self._job.replaces and live.mount() is not None:
                self._replace(mount, place)
            else:
                attach.attach(mount, place)
            return swapped
        finally:
            for fd in opened:
                os.close(fd)

    def _replace(self, mount: int, place: int) -> None:
        live = self._live
        if attach.attach_beneath(mount, place):
            attach.detach(live.above, live.name, used=True)
            return
        attach.attach(mount, place)
        self.notes.append(
            f"this kernel puts nothing beneath a mount: what was mounted at {live.shown} stays, covered, "
            "until the next boot"
        )

    def before(self) -> Place:
        live = self._live
        return (live.at, live.as_name) if live.is_through else (live.beneath(), live.name)

    def back(self) -> Place:
        if self._live.is_stacked():
            raise UsageError(
                f"{self._live.shown}: what was mounted there before is there, covered, and would be seen",
                "reboot, then try again",
            )
        return self._live.beneath(), self._live.name

    def unmake(self) -> int | None:
        if self._live.mount() is None:
            return None
        swapped = changes.now()
        attach.detach(self._live.above, self._live.name)
        return swapped

    def close(self) -> None:
        """Do nothing: the path's descriptors are closed with it."""


class Link:
    """A link to the source in the place of the path."""

    def __init__(self, job: Job, live: Live, store: Store) -> None:
        self.notes: list[str] = []
        self._job, self._live, self._store = job, live, store
        self._name = originals.name_of(job.number)
        self._fd = -1

    def make(self) -> int | None:
        """Have a link to the source and what is at the path change places."""
        if self._leads_there(self._live.above, self._live.name):
            return None
        directory = self._directory()
        facts = self._live.facts()
        if (left := _facts(directory, self._name)) is not None:  # by a job that was cut
            if not stat.S_ISLNK(left.st_mode):
                raise ImpermanenceError(
                    f"{self._live.shown} was a link to {self._store.shown}, and is none any more",
                    "move what is there away, and run the command once more",
                )
            os.unlink(self._name, dir_fd=directory)
        os.symlink(self._store.source, self._name, dir_fd=directory)
        os.chown(self._name, facts.st_uid, facts.st_gid, dir_fd=directory, follow_symlinks=False)
        swapped = changes.now()
        originals.exchange(directory, self._name, self._live)
        return swapped

    def before(self) -> Place:
        return self._directory(), self._name

    def back(self) -> Place:
        if not self._leads_there(self._live.above, self._live.name):
            raise UsageError(
                f"{self._live.shown} is no link to {self._store.shown}: say which of both counts",
                f"impermanence persist {self._live.shown}, or move what is there away and impermanence apply",
            )
        return self._directory(), self._name

    def unmake(self) -> int | None:
        """Have the link and the copy that came back change places."""
        directory = self._directory()
        if not self._leads_there(self._live.above, self._live.name):
            return None
        swapped = changes.now()
        originals.exchange(directory, self._name, self._live)
        return swapped

    def close(self) -> None:
        """Remove what is no original: a link that was not needed, or the one that was replaced."""
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISLNK(os.stat(self._name, dir_fd=self._fd, follow_symlinks=False).st_mode):
                    os.unlink(self._name, dir_fd=self._fd)
            os.close(self._fd)
            self._fd = -1

    def _directory(self) -> int:
        if self._fd < 0:
            volume = self._live.volume()
            if volume is None:
                raise UsageError(f"{self._live.shown} lies in no volume that is rolled back")
            self._fd = originals.open_originals(volume)
        return self._fd

    def _leads_there(self, directory: int, name: bytes) -> bool:
        try:
            return os.readlink(name, dir_fd=directory) == self._store.source
        except OSError:
            return False


class Copy:
    """The path itself, of which each new version is copied to the source."""

    def __init__(self, ground: Ground, live: Live, store: Store) -> None:
        self.notes: list[str] = []
        self._ground, self._live, self._store = ground, live, store

    def make(self) -> None:
        """Copy what was written since, as `sync` will from now on."""
        with openat2.root(self._ground.root) as root, contextlib.suppress(FileNotFoundError):
            store = self._store
            sync.bring_back(root, self._live.path, store.source, store.persist)

    def before(self) -> None:
        """Return None: the path is what it was."""

    def back(self) -> None:
        """Return None: the path has it."""

    def unmake(self) -> None:
        """Return None: nothing is there but the file."""

    def close(self) -> None:
        """Do nothing: nothing is open."""


def _facts(directory: int, name: bytes) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    return None
