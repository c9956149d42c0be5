"""What a verb is made of, and what each is given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

LOST = 3  # exit code of `status --exit-code` that found something, and of a gate that blocks

T = TypeVar("T")  # the options of the verb


@dataclass(frozen=True, slots=True)
class Shared:
    """What may be typed with any verb, before or after it."""

    config: bytes | None = None  # the only file to read
    color: str = "auto"  # or "always", "never"
    pager: bool = True
    json: bool = False  # only where the verb takes it


@dataclass(frozen=True, slots=True)
class Verb(Generic[T]):
    """One of `commands`: each of its modules ends in one."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    options: Callable[[argparse.Namespace], T]  # UsageError where what was typed makes no sense
    run: Callable[[T, Shared], int]  # does it and writes what it says; returns the exit code
