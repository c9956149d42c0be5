"""The declaration of a job: a drop-in of its own, which is written and removed as a whole.

So no file that a person has written is ever edited, and each can be taken away by itself.
"""

from __future__ import annotations

import contextlib
import os

from ...boots.records.job import Action, Job
from ...kernel import libc
from ...lazy import regex
from ...system import atomic
from .ground import Ground

_UNSAFE = regex(r"[^A-Za-z0-9._-]+")
_LONGEST = 120  # characters of the path in a name
_PREFIX = {Action.PERSIST: "50-persist", Action.IGNORE: "60-ignore"}


def name_of(action: Action, path: bytes, number: int) -> str:
    """Return the name of the drop-in for a path."""
    words = _UNSAFE.sub("_", path.strip(b"/").replace(b"/", b"-").decode("ascii", "replace"))
    return f"{_PREFIX[action]}-{words[:_LONGEST] or 'all'}-{number}.toml"


def is_ours(name: bytes) -> bool:
    """Return whether a drop-in was written by a job."""
    return name.startswith(tuple(prefix.encode() for prefix in _PREFIX.values()))


def read(ground: Ground, file: str) -> bytes | None:
    """Return the content of a drop-in, or None if it is not there."""
    try:
        with open(ground.drop_ins + b"/" + file.encode(), "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write(ground: Ground, job: Job) -> None:
    """Write the drop-in of a job.  Raises ImpermanenceError if it cannot be applied."""
    if job.file:
        os.makedirs(ground.drop_ins, mode=0o755, exist_ok=True)
        atomic.replace(ground.drop_ins + b"/" + job.file.encode(), job.text, mode=0o644)
    ground.check()


def remove(ground: Ground, job: Job) -> None:
    """Remove the drop-in of a job."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(ground.drop_ins + b"/" + job.file.encode())
        fd = os.open(ground.drop_ins, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            libc.syncfs(fd)
        finally:
            os.close(fd)
