"""Jobs from the outside: what was cut is finished first, and what was done can be taken back."""

from __future__ import annotations

from ...boots.records.job import ENDED, Action, Job, Step
from ...errors import UsageError
from ...text import to_text
from . import changes, declared, originals, persist, unpersist
from .book import Book, last_done
from .ground import Ground

DAY = 86400


def recover(ground: Ground, book: Book) -> list[tuple[Job, list[str]]]:
    """Finish or undo every job that was cut, and return these with what a person has to know."""
    return [_resume(ground, book, job) for job in book.unfinished()]


def _resume(ground: Ground, book: Book, job: Job) -> tuple[Job, list[str]]:
    match job.action:
        case Action.PERSIST:
            return persist.resume(ground, book, job)
        case Action.UNPERSIST:
            return unpersist.resume(ground, book, job)
        case Action.IGNORE:
            if job.step is Step.UNDECLARE:
                declared.remove(ground, job)
            else:
                declared.write(ground, job)
            return book.save(job.at(Step.DONE)), []


def ignore(ground: Ground, book: Book, text: bytes) -> Job:
    """Have the report ignore a pattern; `text` is the drop-in that says so."""
    number = book.next_number()
    file = declared.name_of(Action.IGNORE, b"", number)
    now = changes.now() // 10**9
    job = book.save(Job(number, Action.IGNORE, Step.DECLARE, now, file, text))
    declared.write(ground, job)
    return book.save(job.at(Step.DONE))


def undo(ground: Ground, book: Book, number: int | None, stop: tuple[str, ...]) -> tuple[Job, Job, list[str]]:
    """Take a job back, the last one by default; return it, the job that did so, and what a person has to
    know.  Raises UsageError if there is none.
    """
    job = find(book, number)
    match job.action:
        case Action.PERSIST:
            return job, *unpersist.begin(ground, book, job.path, stop, undoes=job.number)
        case Action.UNPERSIST:
            request = persist.Request(
                job.path, job.persist, job.text, stop, undoes=job.number, method=job.method
            )
            return job, *persist.begin(ground, book, request)
        case Action.IGNORE:
            back = Job(
                number=book.next_number(),
                action=Action.IGNORE,
                step=Step.UNDECLARE,
                time=changes.now() // 10**9,
                file=job.file,
                text=job.text,
                undoes=job.number,
            )
            book.save(back)
            declared.remove(ground, back)
            return job, book.save(back.at(Step.DONE)), []


def find(book: Book, number: int | None) -> Job:
    """Return the job with this number, or the last one that can be taken back.  Raises UsageError."""
    jobs = book.jobs()
    if number is None:
        if (job := last_done(jobs)) is None:
            raise UsageError("there is nothing to undo", "impermanence persist PATH adopts something")
        return job
    taken_back = {job.undoes for job in jobs if job.step is Step.DONE}
    for job in jobs:
        if job.number == number and job.step is Step.DONE and job.number not in taken_back:
            return job
    raise UsageError(f"there is no job {number} to undo", "impermanence undo --list")


def expire(ground: Ground, book: Book) -> None:
    """Forget the jobs that ended longer ago than old roots are kept, and remove what they put away."""
    oldest = changes.now() // 10**9 - ground.config.archive.keep_days * DAY
    for job in book.jobs():
        if job.step in ENDED and job.time < oldest:
            book.forget(job)
    left = {originals.name_of(job.number) for job in book.jobs()}
    for volume in ground.machine.volumes:
        originals.remove_others(volume, left)


def shown(job: Job) -> str:
    """Return what a job was about, for a person."""
    return to_text(job.path) if job.path else job.file
