"""`unpersist`: what was adopted goes back into the volume, and the declaration goes."""

from __future__ import annotations

import contextlib
import os

from ...boots.records.job import SETTLED, Action, Job, Step
from ...config.placement import BIND, SYMLINK, Placement
from ...errors import UsageError
from ...kernel import libc
from ...text import to_text
from . import changes, checks, declared, originals, swap, way
from .book import Book
from .ground import Ground
from .live import Live
from .store import Store
from .work import Work


def declaring(ground: Ground, path: bytes) -> tuple[Placement, bytes]:
    """Return the declaration of a path that a job has declared, and the name of its drop-in.  Raises
    UsageError.
    """
    shown = to_text(path)
    for placement in ground.config.placements:
        one = placement.declaration
        if one.path != path:
            continue
        file = one.source.rpartition(", ")[0]
        name = os.path.basename(os.fsencode(file))
        if os.path.dirname(os.fsencode(file)) != ground.drop_ins or not declared.is_ours(name):
            raise UsageError(
                f"{shown} is declared in {one.source}, which a person wrote",
                "take it out there, then impermanence apply",
            )
        return placement, name
    raise UsageError(f"{shown} is not declared", "impermanence status --persist lists what is")


def begin(
    ground: Ground, book: Book, path: bytes, stop: tuple[str, ...] = (), *, undoes: int = 0
) -> tuple[Job, list[str]]:
    """Bring what is kept back into the volume, and return the job with what a person has to know.

    Raises UsageError, ImpermanenceError, OSError, Cancelled; then everything is as it was, or the next run
    finishes it.
    """
    placement, name = declaring(ground, path)
    persist, directory = placement.declaration.persist, placement.declaration.directory
    text = declared.read(ground, name.decode()) or b""
    with Live(ground, path) as live, Store(ground, persist, path) as store:
        method = live.shown_by(placement.method)
        if not stop:
            _refuse_users(ground, live, store, method)
        job = Job(
            number=book.next_number(),
            action=Action.UNPERSIST,
            step=Step.COPY,
            time=changes.now() // 10**9,
            file=name.decode(),
            text=text,
            path=path,
            persist=persist,
            directory=directory,
            life=live.life(),
            undoes=undoes,
            method=method,
        )
        work = Work(ground, book, book.save(job), live, store)
        try:
            _copy(work, stop)
            ground.go_on()
            ground.told.step(f"put what came back in the place of {live.shown}")
            work.record(Step.UNDECLARE)
            swapped = _swap_back(work)
            declared.remove(ground, work.job)
        except BaseException:
            undo(work)
            raise
        work.record(Step.PUT_AWAY)
        if swapped is not None:  # what was written to the mount until it went
            work.catch_up((store.above(), store.name), (live.above, live.name), swapped)
            libc.syncfs(live.above)
        _finish(work)
        return work.job, work.notes


def resume(ground: Ground, book: Book, job: Job) -> tuple[Job, list[str]]:
    """Finish a job that was cut, or undo it, and return it with what a person has to know."""
    with Store(ground, job.persist, job.path) as store:
        way.make(ground, store, job, place=job.step is Step.UNDECLARE)
    with Live(ground, job.path) as live, Store(ground, job.persist, job.path) as store:
        work = Work(ground, book, job, live, store)
        # A wipe has taken away what was copied back.
        if job.step not in SETTLED or (job.step is Step.UNDECLARE and not work.is_same_life()):
            undo(work)
        else:
            if job.step is Step.UNDECLARE:
                declared.remove(ground, job)
                _swap_back(work)
                work.record(Step.PUT_AWAY)
            _finish(work)
        return work.job, work.notes


def _copy(work: Work, stop: tuple[str, ...]) -> None:
    live, store = work.live, work.store
    work.stop(stop)
    _refuse_users(work.ground, live, store, work.job.method)
    with _swapping(work) as swapping:
        if (place := swapping.back()) is not None:
            words = f"copy {store.shown} back to {live.shown}"
            work.copy(store.above(), store.name, *place, words, in_place=work.job.method == BIND)
    libc.syncfs(live.above)


def _refuse_users(ground: Ground, live: Live, store: Store, method: str) -> None:
    if method == SYMLINK:  # programs see what the link leads to
        users = live.users_of(store.above(), store.name, ground.real(store.source))
    else:
        users = live.users()
    checks.refuse_users(live, users, verb="unpersist")


def _swapping(work: Work) -> contextlib.closing[swap.Swap]:
    return contextlib.closing(swap.of(work.ground, work.job, work.live, work.store))


def _swap_back(work: Work) -> int | None:
    """Have the path show what came back, and return since when; None if it did so already."""
    with _swapping(work) as swapping:
        return swapping.unmake()


def _finish(work: Work) -> None:
    """Make everything that comes after the mount has gone."""
    if work.job.step is not Step.START:
        work.ground.compile()
        work.put_away()
        work.record(Step.START)
    work.start()
    work.record(Step.DONE)


def undo(work: Work) -> None:
    """Undo a job: what is mounted, or will be at the next boot, has counted all the time."""
    if work.job.step is not Step.COPY:
        declared.write(work.ground, work.job)
        with _swapping(work) as swapping:
            swapping.make()
        work.ground.compile()
    elif work.job.method == SYMLINK:
        originals.discard(work.live, work.job.number)
    work.start()
    work.record(Step.UNDONE)
