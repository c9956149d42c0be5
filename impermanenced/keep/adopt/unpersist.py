"""`unpersist`: what was adopted goes back into the volume, and the declaration goes."""

from __future__ import annotations

import os

from ...boots.records.job import SETTLED, Action, Job, Step
from ...errors import UsageError
from ...kernel import attach, libc
from ...text import to_text
from . import changes, checks, declared, way
from .book import Book
from .ground import Ground
from .live import Live
from .store import Store
from .work import Work


def declaring(ground: Ground, path: bytes) -> tuple[bytes, bytes, bool]:
    """Return (persist volume, name of the drop-in, whether it is a directory) of a path that a job has
    declared.  Raises UsageError.
    """
    shown = to_text(path)
    for one in ground.config.declarations:
        if one.path != path:
            continue
        file = one.source.rpartition(", ")[0]
        name = os.path.basename(os.fsencode(file))
        if os.path.dirname(os.fsencode(file)) != ground.drop_ins or not declared.is_ours(name):
            raise UsageError(
                f"{shown} is declared in {one.source}, which a person wrote",
                "take it out there, then impermanence apply",
            )
        return one.persist, name, one.directory
    raise UsageError(f"{shown} is not declared", "impermanence status --persist lists what is")


def begin(
    ground: Ground, book: Book, path: bytes, stop: tuple[str, ...] = (), *, undoes: int = 0
) -> tuple[Job, list[str]]:
    """Bring what is kept back into the volume, and return the job with what a person has to know.

    Raises UsageError, ImpermanenceError, OSError, Cancelled; then everything is as it was, or the next run
    finishes it.
    """
    persist, name, directory = declaring(ground, path)
    text = declared.read(ground, name.decode()) or b""
    with Live(ground, path) as live, Store(ground, persist, path) as store:
        if not stop:
            checks.refuse_users(live, live.users(), verb="unpersist")
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
        )
        work = Work(ground, book, book.save(job), live, store)
        try:
            _copy(work, stop)
            work.record(Step.UNDECLARE)
            swapped = _unmount(work)
            declared.remove(ground, work.job)
        except BaseException:
            undo(work)
            raise
        work.record(Step.PUT_AWAY)
        if swapped is not None:  # what was written to the mount until it went
            work.catch_up(store.above(), store.name, live.above, swapped)
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
                _unmount(work)
                work.record(Step.PUT_AWAY)
            _finish(work)
        return work.job, work.notes


def _copy(work: Work, stop: tuple[str, ...]) -> None:
    live, store = work.live, work.store
    work.ground.tell(f"copy {store.shown} back to {live.shown}")
    work.stop(stop)
    checks.refuse_users(live, live.users(), verb="unpersist")
    work.copy(store.above(), store.name, live.beneath(), live.name, in_place=True)
    libc.syncfs(live.above)


def _unmount(work: Work) -> int | None:
    """Take the mount down, and return since when something else is seen; None if nothing was mounted."""
    live = work.live
    if live.mount() is None:
        return None
    swapped = changes.now()
    attach.detach(live.above, live.name)
    return swapped


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
        work.cover()
        work.ground.compile()
    work.start()
    work.record(Step.UNDONE)
