"""The record of a job that adopts something: a file jobs/N.env in the state directory, replaced as a whole
before each step.

`keep/adopt` writes them, and a report reads what was adopted.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable

from ...config.placement import BIND, SYMLINK, SYNC
from ...errors import RecordError
from ...lazy import NamedTuple, regex
from ...state import JOBS, job_file, job_number
from ...text import to_text
from .keyvalue import LONG_NUMBER, TIME, assemble, line, read, split

_FILE = regex(r"[A-Za-z0-9._-]{1,200}\.toml")
_SINCE = regex(r"0|[1-9][0-9]{0,19}")
_UNIT = regex(r"[A-Za-z0-9:_.\\@-]{1,255}")


class Action(enum.StrEnum):
    """What a job does."""

    PERSIST = "persist"
    UNPERSIST = "unpersist"
    IGNORE = "ignore"


class Step(enum.StrEnum):
    """The steps of jobs; the record has the one that is being made.

    A persist:    copy, place, declare, swap, start, done
    An unpersist: copy, undeclare, swap, put-away, start, done
    An ignore:    declare, done

    A job that was cut before the step that changes the declaration is undone, from that step on it is
    finished.
    """

    COPY = "copy"  # into a staging directory, or back to where the path is mounted
    PLACE = "place"  # from there to the source in the persist volume
    DECLARE = "declare"
    UNDECLARE = "undeclare"
    SWAP = "swap"  # the mount comes or goes
    PUT_AWAY = "put-away"  # the source goes to the trash
    START = "start"  # units that were stopped
    DONE = "done"
    UNDONE = "undone"  # nothing has come of it


ENDED = (Step.DONE, Step.UNDONE)
SETTLED = (Step.DECLARE, Step.UNDECLARE, Step.SWAP, Step.PUT_AWAY, Step.START)  # to be finished after a cut


class Job(NamedTuple):
    """One job, done or on its way."""

    number: int
    action: Action
    step: Step
    time: int  # when it was begun, seconds since 1970
    file: str  # the drop-in that declares it, in config.d; "" if somebody had declared it already
    text: bytes  # the content of that
    path: bytes = b""  # what is adopted, in the system; of an ignore: empty
    persist: bytes = b""  # the persist volume
    directory: bool = True
    life: str = ""  # the UUID of the subvolume that holds the path
    since: int = 0  # when the last copy began, nanoseconds since 1970 by the kernel's clock
    stopped: tuple[str, ...] = ()  # units to start again
    undoes: int = 0  # the job that this one takes back
    method: str = BIND  # how the path shows the source: BIND, SYMLINK or SYNC
    replaces: bool = False  # whether the mount takes the place of another one

    @property
    def source(self) -> bytes:
        """Return where the content lies in the persist volume."""
        return self.persist.rstrip(b"/") + self.path

    def at(self, step: Step) -> Job:
        """Return the same job at another step."""
        return self._replace(step=step)


def format_job(job: Job) -> bytes:
    """Return the content of the record of a job."""
    return assemble(
        [
            line("ACTION", job.action),
            line("STEP", job.step),
            line("TIME", job.time),
            line("FILE", job.file or None),
            line("TEXT", job.text),
            line("PATH", job.path),
            line("PERSIST", job.persist),
            line("KIND", "directory" if job.directory else "file"),
            line("LIFE", job.life or None),
            line("SINCE", job.since),
            *(line("STOPPED", unit) for unit in job.stopped),
            line("UNDOES", job.undoes or None),
            line("METHOD", job.method if job.method != BIND else None),
            line("REPLACES", "mount" if job.replaces else None),
        ],
        lambda content: parse_job(content, b"jobs", job.number),
    )


def parse_job(content: bytes, name: bytes, number: int) -> Job:
    """Return the job that a record holds; `name` is the file's, for errors.  Raises RecordError."""
    head, volumes = split(content, name)
    if volumes:
        raise head.error("VOLUME has no place here")
    units = head.many("STOPPED")
    for unit, at in units:
        if not _UNIT.fullmatch(unit.decode("ascii", "replace")):
            raise head.error("STOPPED is no name of a unit", at)
    text = head.one("TEXT")
    job = Job(
        number=number,
        action=Action(head.choice("ACTION", tuple(Action))),
        step=Step(head.choice("STEP", tuple(Step))),
        time=head.need("TIME", head.number("TIME", TIME)),
        file=head.text("FILE", _FILE, "the name of a drop-in") or "",
        text=text[0] if text is not None else b"",
        path=(head.one("PATH") or (b"", 0))[0],
        persist=(head.one("PERSIST") or (b"", 0))[0],
        directory=head.choice("KIND", ("directory", "file")) == "directory",
        life=head.uuid("LIFE") or "",
        since=head.number("SINCE", _SINCE) or 0,
        stopped=tuple(unit.decode() for unit, _ in units),
        undoes=head.number("UNDOES", LONG_NUMBER) or 0,
        method=head.optional_choice("METHOD", (BIND, SYMLINK, SYNC)) or BIND,
        replaces=head.optional_choice("REPLACES", ("mount",)) is not None,
    )
    head.finish()
    if job.action is not Action.IGNORE:
        for path in (job.path, job.persist):
            if not path.startswith(b"/") or any(part in (b"", b".", b"..") for part in path[1:].split(b"/")):
                raise head.error("PATH or PERSIST is no plain absolute path")
    return job


def read_jobs(directory: bytes) -> list[Job]:
    """Return all jobs, the oldest first; `directory` is the path of jobs/.

    Raises RecordError for one that cannot be understood, and OSError.
    """
    names = os.listdir(directory)
    numbers = sorted(number for name in names if (number := job_number(name)) is not None)
    return [_read(directory, number) for number in numbers]


def _read(directory: bytes, number: int) -> Job:
    name = b"/" + job_file(number)
    shown = JOBS + name
    content = read(directory + name, shown)
    try:
        return parse_job(content, shown, number)
    except RecordError as error:
        raise RecordError(error.message, f"look at it, and move {to_text(shown)} away") from None


def persisting(jobs: Iterable[Job]) -> dict[bytes, Job]:
    """Return {path: the job that persists it} of what was adopted and not taken back."""
    found: dict[bytes, Job] = {}
    for job in jobs:
        if job.step is Step.DONE and job.action is Action.PERSIST:
            found[job.path] = job
        elif job.step is Step.DONE:
            found.pop(job.path, None)
    return found
