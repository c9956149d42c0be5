"""What a verb is made of, and what each is given.

These are named tuples: that way the summary of all verbs (--help) starts without `dataclasses`, which would
take a fifth of its time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

LOST = 3  # exit code of `status --exit-code` that found something, and of a gate that blocks

T = TypeVar("T")  # the options of the verb


class Shared(NamedTuple):
    """What may be typed with any verb, before or after it."""

    config: bytes | None = None  # the only file to read
    color: str = "auto"  # or "always", "never"
    pager: bool = True
    json: bool = False  # only where the verb takes it


class Verb(NamedTuple, Generic[T]):
    """One of `commands`: each of its modules ends in one."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    options: Callable[[argparse.Namespace], T]  # UsageError where what was typed makes no sense
    run: Callable[[T, Shared], int]  # does it and writes what it says; returns the exit code
