"""`persist`: a path of the running system becomes kept state, while programs run."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from ... import copying
from ...boots.records.job import SETTLED, Action, Job, Step
from ...config.placement import BIND, SYMLINK, SYNC
from ...kernel import libc, proc
from ...text import size_to_text, to_text
from ..mounted import in_fstab
from . import changes, checks, declared, swap, way
from .book import Book
from .ground import Ground
from .live import Live
from .store import Store
from .work import Work


@dataclass(frozen=True, slots=True)
class Request:
    """A path to adopt, and how it is declared."""

    path: bytes  # absolute, in the system
    persist: bytes  # the persist volume
    text: bytes  # the drop-in that declares it; b"" if it is declared already
    stop: tuple[str, ...] = ()  # units to stop meanwhile
    undoes: int = 0
    method: str = BIND  # or SYMLINK, SYNC
    replaces: bool = False  # whether a mount at the path is copied, and its place taken


@dataclass(frozen=True, slots=True)
class Outlook:
    """What adopting a path would do."""

    request: Request
    size: copying.Size
    source: bytes
    shared: bool  # whether the copy shares its content with the original
    units: tuple[str, ...]  # that would be stopped, and started again


def look(ground: Ground, request: Request) -> Outlook:
    """Return what adopting a path would do.  Raises UsageError and ImpermanenceError with what keeps it from
    being adopted; nothing is changed.
    """
    with Live(ground, request.path) as live, Store(ground, request.persist, request.path) as store:
        checks.check_whole(live, ground)
        facts = checks.check_live(live, ground, request.persist, replaces=request.replaces)
        checks.check_method(live, facts, request.method)
        checks.check_store(store, live, facts, ground)
        size = copying.measure(live.at, live.as_name, cancelled=ground.cancelled)
        checks.check_space(store, live, size)
        if not request.stop:
            checks.refuse_users(live, live.users())
        units = ground.services.with_others(request.stop) if request.stop else ()
        return Outlook(request, size, store.source, copying.share(live.above, store.top), units)


def begin(ground: Ground, book: Book, request: Request) -> tuple[Job, list[str]]:
    """Adopt a path, and return the job with what a person has to know.

    Raises as `look` does, and OSError, Cancelled; then everything is as it was, or the next run finishes it.
    """
    look(ground, request)
    number = book.next_number()
    with Live(ground, request.path) as live, Store(ground, request.persist, request.path) as store:
        job = Job(
            number=number,
            action=Action.PERSIST,
            step=Step.COPY,
            time=changes.now() // 10**9,
            file=declared.name_of(Action.PERSIST, request.path, number) if request.text else "",
            text=request.text,
            path=request.path,
            persist=request.persist,
            directory=stat.S_ISDIR(live.facts().st_mode),
            life=live.life(),
            undoes=request.undoes,
            method=request.method,
            replaces=live.mount() is not None,
        )
        if job.replaces:
            live.go_through()
        work = Work(ground, book, book.save(job), live, store)
        try:
            _copy(work, request.stop)
            _place(work)
            ground.go_on()  # from the declaration on, the job is finished, whoever wants to stop
            ground.told.step(f"declare {to_text(request.path)}")
            work.record(Step.DECLARE)
            declared.write(ground, work.job)
        except BaseException:
            undo(work)
            raise
        work.record(Step.SWAP)
        _finish(work)
        return work.job, work.notes


def resume(ground: Ground, book: Book, job: Job) -> tuple[Job, list[str]]:
    """Finish a job that was cut, or undo it, and return it with what a person has to know."""
    with Store(ground, job.persist, job.path) as store:
        way.make(ground, store, job, place=job.step in SETTLED)
    with Live(ground, job.path) as live, Store(ground, job.persist, job.path) as store:
        work = Work(ground, book, job, live, store)
        if job.step not in SETTLED:
            undo(work)
        else:
            if job.replaces and live.mount() is not None:
                live.go_through()
            declared.write(ground, job)
            _finish(work)
        return work.job, work.notes


# The steps


def _copy(work: Work, stop: tuple[str, ...]) -> None:
    live, store = work.live, work.store
    words = f"copy {live.shown} to {store.shown}"
    store.make_above(live)
    staging = store.staging()
    try:
        if stop:  # most is copied while the units still run
            size = copying.measure(live.at, live.as_name, cancelled=work.ground.cancelled)
            work.ground.told.step(words, size)
            copying.copy(
                *(live.at, live.as_name, staging, _staged(work.job)),
                progress=work.ground.told.at,
                cancelled=work.ground.cancelled,
            )
            work.stop(stop)
            checks.refuse_users(live, live.users())
        work.copy(live.at, live.as_name, staging, _staged(work.job), words)
    finally:
        os.close(staging)
    checks.refuse_users(live, live.users())
    libc.syncfs(store.top)
    work.record(Step.PLACE)


def _staged(job: Job) -> bytes:
    return b"%d" % job.number


def _place(work: Work) -> None:
    """Move the copy to its place; what is there already is empty, and was only made for a mount."""
    store = work.store
    staging = store.staging()
    try:
        with contextlib.suppress(FileNotFoundError):
            if work.job.directory:
                os.rmdir(store.name, dir_fd=store.above())
            elif os.stat(store.name, dir_fd=store.above(), follow_symlinks=False).st_size == 0:
                os.unlink(store.name, dir_fd=store.above())
        libc.renameat2(staging, _staged(work.job), store.above(), store.name, libc.RENAME_NOREPLACE)
    finally:
        os.close(staging)
    store.tidy()
    libc.syncfs(store.top)


def _finish(work: Work) -> None:
    """Make everything that comes after the declaration; each part may have been made already."""
    if work.job.step is not Step.START:
        _swap(work)
        for line in in_fstab(work.ground.root, work.job.path) if work.job.replaces else ():
            work.notes.append(f"/etc/fstab:{line} mounts what was there at each boot: take that line out")
        work.ground.compile()
        work.record(Step.START)
    work.start()
    work.record(Step.DONE)


def _swap(work: Work) -> None:
    """Have the path show the copy, in one step, and copy what was written to the original until then."""
    live, store = work.live, work.store
    work.ground.told.step(f"put {store.shown} in the place of {live.shown}")
    with contextlib.closing(swap.of(work.ground, work.job, live, store)) as swapping:
        swapped = swapping.make()
        work.notes += swapping.notes
        if swapped is None or not work.is_same_life() or (old := swapping.before()) is None:
            return
        work.catch_up(old, (store.above(), store.name), swapped)
        for one in live.users_of(*old):
            who = to_text(proc.comm(one.pid)) or "a process"
            work.notes.append(
                f"{who} (pid {one.pid}) {one.use} the old {to_text(one.path)}: what it writes there is lost, "
                "so restart it"
            )
    libc.syncfs(store.top)


def undo(work: Work) -> None:
    """Undo a job whose declaration does not count yet."""
    store, job = work.store, work.job
    if job.step is Step.DECLARE:
        declared.remove(work.ground, job)
    with contextlib.suppress(FileNotFoundError):
        staging = store.staging()
        try:
            if job.step is not Step.COPY and not _is_there(staging, _staged(job)):
                work.put_away()  # it was at its place already
        finally:
            os.close(staging)
        store.tidy()
    work.start()
    work.record(Step.UNDONE)


def _is_there(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _swap_words(outlook: Outlook) -> str:
    path, source = to_text(outlook.request.path), to_text(outlook.source)
    if outlook.request.method == SYNC:
        return f"have each new version of it copied to {source}"
    if outlook.request.method == SYMLINK:
        return f"put a link to {source} in its place; the original waits at the top of the volume for a wipe"
    if outlook.request.replaces:
        return f"mount {source} in the place of what is mounted at {path}"
    return f"mount {source} over it"


def words(outlook: Outlook) -> list[str]:
    """Return what would be done, step by step."""
    size, how = size_to_text(outlook.size.size), "sharing its content" if outlook.shared else "as a copy"
    units = ", ".join(outlook.units)
    return [
        *([f"stop {units}"] if units else []),
        f"copy {to_text(outlook.request.path)} to {to_text(outlook.source)} "
        f"({outlook.size.files:,} files, {size}), {how}",
        "compare the copy with it",
        "declare it",
        _swap_words(outlook),
        *([f"start {units}"] if units else []),
    ]
