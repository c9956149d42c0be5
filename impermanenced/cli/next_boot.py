"""The request for the next boot, in words: for `status`, `boots` and `next`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from ..boots import history, outcome, requests
from ..boots.requests import UNDO, Pending
from ..config.load import load
from ..errors import ImpermanenceError
from ..volumes.machine import Machine
from . import trouble, wording

HELD = (
    "wiping pauses: boots did not complete, and the last good root is held.\n"
    "  To go on, once the blank is mended:  impermanence next wipe"
)


def notices(config: bytes | None) -> list[str]:
    """Return what the caller may know of the next boot; a failure leaves `status` without it."""
    lines: list[str] = []
    try:
        # The hook's result, which all may read, is about this machine, not about another that is examined.
        found = outcome.look(history.this_boot_id()) if config is None else None
        hold, request = found is not None and found.kind == outcome.HELD, None
        if os.geteuid() == 0:
            with Machine(load(config).volumes) as machine:
                if machine.has_state():
                    newest, request = requests.newest_record(machine), requests.pending(machine)
                    hold = newest is not None and newest.hold
                    if found is None and newest is not None and newest.boot_id == history.this_boot_id():
                        found = outcome.of(newest)
        if found is not None and found.kind != outcome.HELD:
            lines.append(trouble.not_rolled_back(found))
        return [*lines, *waiting(hold, request, time.time())]
    except (ImpermanenceError, OSError):
        return lines


def waiting(hold: bool, request: Pending | None, now: float) -> Iterator[str]:
    """Yield what waits for the next boot; `hold` says that wiping pauses."""
    if hold:
        yield HELD
    if request is not None:
        yield pending(request, now)


def pending(found: Pending, now: float) -> str:
    """Return the request in words, with how to undo it."""
    if found.request is None:
        what = f"next: cannot be understood, and the hook will not wipe:\n  {found.fault}"
        return f"{what}\n  Remove it:  {UNDO}"
    asked = wording.age(found.time, now)
    return f"next: {requests.short(found.request)}, asked for {asked}  (undo: {UNDO})"
