"""The parts of a verb, and what each verb is given.

These are named tuples, because the summary of all verbs (--help) then starts without `dataclasses`, which
would take a fifth of its time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

LOST = 3  # the exit code of `status --exit-code` if something would be lost, and of a gate that blocks

T = TypeVar("T")  # the options of the verb


class Shared(NamedTuple):
    """The options that every verb has, before or after it."""

    config: bytes | None = None  # the only file to read
    color: str = "auto"  # or "always", "never"
    pager: bool = True
    json: bool = False  # only where the verb takes it


class Verb(NamedTuple, Generic[T]):
    """One verb; each module of `commands` ends with one."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    options: Callable[[argparse.Namespace], T]  # raises UsageError for words that make no sense
    run: Callable[[T, Shared], int]  # does the work, writes the output, and returns the exit code
