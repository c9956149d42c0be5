"""Any two operations after each other, the first one whole or killed on its way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from impermanenced.boots.records.job import ENDED
from impermanenced.errors import UsageError

from ..copying import trees
from .disturbed import killed_at
from .machine import Machine
from .test_cuts import grow, look

TURNS = tuple(range(30)) if os.environ.get("ADOPT_TURNS") else (9, 18)  # at which the first one is killed
OPERATIONS: dict[str, Callable[[Machine, str], object]] = {
    "persist": lambda machine, path: machine.adopt(path),
    "unpersist": lambda machine, path: machine.give_back(path),
    "undo": lambda machine, path: machine.undo(),
    "apply": lambda machine, path: machine.recover(),
    "reboot": lambda machine, path: machine.reboot(wipe=False),
}


def check(machine: Machine, path: str, before: trees.Seen) -> None:
    assert {job.step for job in machine.jobs()} <= set(ENDED)
    assert trees.difference(before, look(machine.root / path[1:])) == {}
    assert machine.mounted(path) == (os.fsencode(path) in machine.declared())
    assert not (machine.persist / ".impermanence-staging").exists()


def rounds(first: str) -> Iterator[tuple[str, int | None, bool]]:
    """(the second operation, where the first one is killed, whether the path is persisted before)."""
    for second in OPERATIONS:
        if first in ("persist", "apply", "reboot"):
            yield second, None, False
        if first != "persist":
            yield second, None, True
        if first in ("persist", "unpersist"):
            yield from ((second, turn, first != "persist") for turn in TURNS)


@pytest.mark.parametrize("first", OPERATIONS)
def test_two_operations(machine: Machine, first: str) -> None:
    """Also where the second makes no sense after what has become of the first."""
    done = 0
    for number, (second, turn, persisted) in enumerate(rounds(first)):
        path = f"/var/lib/app{number}"
        before = grow(machine.root / path[1:])
        if persisted:
            machine.adopt(path)
        if turn is None:
            assert attempt(machine, first, path)
        else:
            killed_at(turn, lambda path=path: attempt(machine, first, path))  # type: ignore[misc]
        done += attempt(machine, second, path)
        machine.recover()
        check(machine, path, before)
    assert done > 2


def attempt(machine: Machine, operation: str, path: str) -> bool:
    try:
        OPERATIONS[operation](machine, path)
    except UsageError:
        return False
    return True
