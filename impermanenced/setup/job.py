"""The record of a set-up, or of the way back, while it goes on and afterwards: .impermanence/setup.env.

It is written before each step.  What was cut goes on from there: each step finds out by itself what of it is
done already, and doing it twice is doing it once.  The file stays when the work is done, for the way back.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..boots import records
from ..boots.records.keyvalue import Fields, assemble, line, split
from ..config.presets import known
from ..errors import ImpermanenceError, RecordError
from ..state import SETUP
from ..system import atomic
from ..text import to_text
from ..volumes.machine import Machine
from .plan import Accounts, Kind


class Way(enum.StrEnum):
    """Where the work leads."""

    SET_UP = "setup"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Job:
    """What was decided, and where the work is."""

    way: Way
    root: bytes  # subvolumes, from the top level
    persist: bytes
    blank: bytes
    trial: bool = False
    at: Kind | None = None  # the step that was begun; None: all are done
    directories: tuple[bytes, ...] = ()  # that are kept
    files: tuple[bytes, ...] = ()
    presets: tuple[str, ...] = ()  # that declare some of these
    without: tuple[bytes, ...] = ()  # what the presets are not to declare
    accounts: Accounts = Accounts.BLANK
    stopped: tuple[str, ...] = field(default=())  # units that have to be started again


def read(machine: Machine) -> Job | None:
    """Return the record, or None if there is none.  Raises RecordError."""
    if not machine.has_state():
        return None
    try:
        return parse(records.read(machine.at(SETUP), SETUP))
    except FileNotFoundError:
        return None


def unfinished(machine: Machine) -> Job | None:
    """Return the record of work that was cut, or None.  Raises RecordError."""
    job = read(machine)
    return job if job is not None and job.at is not None else None


def write(machine: Machine, job: Job) -> None:
    """Record where the work is, so that a power cut finds it."""
    content = assemble(
        [
            line("WAY", job.way),
            line("TRIAL", "yes" if job.trial else "no"),
            line("ROOT", job.root),
            line("PERSIST", job.persist),
            line("BLANK", job.blank),
            line("AT", job.at),
            *(line("DIRECTORY", path) for path in job.directories),
            *(line("FILE", path) for path in job.files),
            *(line("PRESET", name) for name in job.presets),
            *(line("WITHOUT", path) for path in job.without),
            line("ACCOUNTS", job.accounts),
            *(line("STOPPED", unit.encode("utf-8", "surrogateescape")) for unit in job.stopped),
        ],
        parse,
    )
    atomic.replace(machine.at(SETUP), content)
    machine.sync()


def parse(content: bytes) -> Job:
    """Return the job in the file.  Raises RecordError."""
    fields, volumes = split(content, SETUP)
    if volumes:
        raise fields.error("VOLUME has no place here")
    job = Job(
        way=Way(fields.choice("WAY", tuple(Way))),
        trial=fields.choice("TRIAL", ("yes", "no")) == "yes",
        root=fields.need("ROOT", fields.plain_path("ROOT")),
        persist=fields.need("PERSIST", fields.plain_path("PERSIST")),
        blank=fields.need("BLANK", fields.plain_path("BLANK")),
        at=_at(fields),
        directories=tuple(_paths(fields, "DIRECTORY")),
        files=tuple(_paths(fields, "FILE")),
        presets=tuple(_presets(fields)),
        without=tuple(_paths(fields, "WITHOUT")),
        accounts=Accounts(fields.optional_choice("ACCOUNTS", tuple(Accounts)) or Accounts.BLANK),
        stopped=tuple(value.decode("utf-8", "surrogateescape") for value, _ in fields.many("STOPPED")),
    )
    fields.finish()
    return job


def _at(fields: Fields) -> Kind | None:
    word = fields.optional_choice("AT", tuple(Kind))
    return None if word is None else Kind(word)


def _presets(fields: Fields) -> Iterator[str]:
    for name, number in fields.many("PRESET"):
        if (text := name.decode("ascii", "replace")) not in known():
            raise fields.error("PRESET is no preset that is known", number)
        yield text


def _paths(fields: Fields, key: str) -> Iterator[bytes]:
    for path, number in fields.many(key):
        names = path.split(b"/")[1:]
        if not path.startswith(b"/") or not names or any(name in (b"", b".", b"..") for name in names):
            raise fields.error(f"{key} is no plain path", number)
        yield path


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say of a record that nobody understands what to do about it."""
    try:
        yield
    except RecordError as error:
        raise ImpermanenceError(
            error.message, f"look at it, or remove it, below the top level (subvolid=5): {to_text(SETUP)}"
        ) from None
