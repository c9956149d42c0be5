"""The examination of a set-up, or a way back, that was cut on its way."""

from __future__ import annotations

from ..boots.doctor import ERROR, Finding
from ..errors import RecordError
from ..state import SETUP
from ..text import to_text
from ..volumes.machine import Machine
from . import job
from .job import Way

NO_RECORD = "no-record"  # what the hook says of a machine until the last step of its set-up


def cut(machine: Machine) -> Finding | None:
    """Return what to go on with, or None where nothing was cut."""
    try:
        left = job.unfinished(machine)
    except RecordError as error:
        return Finding(ERROR, error.message, f"look at it, or remove it, at the top level: {to_text(SETUP)}")
    if left is None:
        return None
    if left.way is Way.SET_UP:
        what, command = "a set-up was cut on its way", "impermanence setup"
    else:
        what, command = "the way back to a normal machine was cut", "impermanence setup --remove"
    return Finding(ERROR, what, "run it again, it goes on from there", commands=(command,))
