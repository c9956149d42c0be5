"""The work of `tidy`: strays go into the trash of their persist volume, and come back, or go for good."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import NotSetUp, UsageError
from ..kernel import openat2
from ..kernel.holders import holders
from ..paths import within
from ..report.report import Manager
from ..text import to_text
from ..volumes.machine import system_root
from . import strays
from .strays import Stray
from .trash import Tidied, Trash


@dataclass(frozen=True, slots=True)
class Kept:
    """Something in the trash of a persist volume."""

    persist: bytes
    tidied: Tidied

    @property
    def path(self) -> bytes:
        """Return where it was, in the system that the volume belongs to."""
        return self.persist.rstrip(b"/") + self.tidied.path


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do."""

    move: tuple[Stray, ...] = ()
    used: tuple[Stray, ...] = ()  # what stays, because something uses it
    over: tuple[Kept, ...] = ()  # what goes for good
    waiting: tuple[Kept, ...] = ()  # what is in the trash, and stays there
    complete: bool = True  # whether all strays are known

    @property
    def is_empty(self) -> bool:
        return not self.move and not self.over


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that could not be done."""

    path: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was done."""

    moved: tuple[Stray, ...] = ()
    deleted: tuple[Kept, ...] = ()
    back: tuple[Kept, ...] = ()
    failed: tuple[Failure, ...] = ()


def look(manager: Manager, wanted: Sequence[bytes], now: float) -> Plan:
    """Return what there is to do with the strays, or with those of them that are, or lie in, `wanted`.

    Raises UsageError for a wanted path that is no stray and has none below it.
    """
    found = strays.find(manager)
    chosen = [one for one in found.strays if not wanted or any(within(one.path, path) for path in wanted)]
    for path in wanted:
        if not any(within(one.path, path) for one in chosen):
            raise UsageError(f"{to_text(path)} is no stray", "impermanence status --persist lists them")
    looked_at = [one if one.used else replace(one, used=_held(manager, one)) for one in chosen]
    kept = list(waiting(manager))
    return Plan(
        move=tuple(one for one in looked_at if not one.used),
        used=tuple(one for one in looked_at if one.used),
        over=tuple(one for one in kept if one.tidied.is_over(now) and not wanted),
        waiting=tuple(one for one in kept if not one.tidied.is_over(now) or wanted),
        complete=found.complete,
    )


def _held(manager: Manager, one: Stray) -> str:
    place = (system_root(manager.volumes) or b"/").rstrip(b"/") + one.path
    for holder in holders(place, lambda facts: strays.inode_of(facts) == one.inode):
        return f"process {holder.pid} {holder.use}"
    return ""


def waiting(manager: Manager) -> Iterator[Kept]:
    """Yield what is in the trash of all persist volumes, the oldest of each first."""
    for persist in manager.config.persist:
        with contextlib.suppress(OSError), _opened(manager, persist, writable=False) as trash:
            yield from (Kept(persist, one) for one in trash.entries())


def run(manager: Manager, plan: Plan, now: float, tell: Callable[[bytes], None]) -> Done:
    """Do what the plan says, and return what was done; `tell` is called with each path that was moved."""
    done = Done()
    for persist in manager.config.persist:
        mine = [one for one in plan.move if one.persist == persist]
        over = [one for one in plan.over if one.persist == persist]
        if not mine and not over:
            continue
        try:
            with _opened(manager, persist, writable=True) as trash:
                trash.sweep()
                done = _moved(trash, mine, now, tell, done)
                trash.commit()
                done = _deleted(trash, over, done)
        except OSError as error:
            done = _failed(done, persist, error)
    return done


def _moved(
    trash: Trash, found: Iterable[Stray], now: float, tell: Callable[[bytes], None], done: Done
) -> Done:
    for one in found:
        try:
            trash.take(one, now)
        except OSError as error:
            done = _failed(done, one.path, error)
        else:
            tell(one.path)
            done = replace(done, moved=(*done.moved, one))
    return done


def _deleted(trash: Trash, found: Iterable[Kept], done: Done) -> Done:
    for one in found:
        try:
            trash.delete(one.tidied)
        except OSError as error:
            done = _failed(done, one.path, error)
        else:
            done = replace(done, deleted=(*done.deleted, one))
    return done


def _failed(done: Done, path: bytes, error: OSError) -> Done:
    return replace(done, failed=(*done.failed, Failure(path, error.strerror or str(error))))


def give_back(manager: Manager, wanted: Sequence[bytes], tell: Callable[[bytes], None]) -> Done:
    """Put things back where they were: all of the last run, or the newest of each path in `wanted`.

    Raises UsageError if there is nothing to put back, or a wanted path is not in the trash.
    """
    kept = sorted(waiting(manager), key=lambda one: one.tidied.time)
    if not kept:
        raise UsageError("nothing was moved away", "impermanence tidy moves strays")
    newest = {one.path: one for one in kept}
    for path in wanted:
        if path not in newest:
            raise UsageError(f"{to_text(path)} is not in the trash", "impermanence tidy --dry-run lists it")
    last = [one for one in kept if one.tidied.time == kept[-1].tidied.time]
    done = Done()
    for one in [newest[path] for path in dict.fromkeys(wanted)] or last:
        try:
            with _opened(manager, one.persist, writable=True) as trash:
                trash.give_back(one.tidied)
                trash.commit()
        except OSError as error:
            done = _failed(done, one.path, error)
        else:
            tell(one.path)
            done = replace(done, back=(*done.back, one))
    return done


@contextlib.contextmanager
def _opened(manager: Manager, persist: bytes, *, writable: bool) -> Iterator[Trash]:
    """Open the trash of a persist volume.  Raises as `Trash` does."""
    root = system_root(manager.volumes)
    if root is None:
        raise NotSetUp('the "/" of this system is not mounted', "mount all of it below one directory")
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = openat2.open_directory(root_fd, persist, os.O_RDONLY)
    finally:
        os.close(root_fd)
    try:
        with Trash(fd, writable=writable) as trash:
            yield trash
    finally:
        os.close(fd)
