"""A job that is killed, or cut with the power, at any call that changes something: the next run finishes or
undoes it, and nothing is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots.records.job import ENDED, Step
from tests.conftest import sh
from tests.isolation import attach, detach

from ..copying import trees
from .disturbed import killed_at
from .machine import Machine

ROUNDS = 200  # more than any job makes calls


def grow(tree: Path) -> trees.Seen:
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/file").write_bytes(b"content" * 1000)
    os.link(tree / "deep/file", tree / "deep/er/linked")
    (tree / "link").symlink_to("deep/file")
    (tree / "deep/file").chmod(0o640)
    os.chown(tree / "deep", 33, 33)
    return look(tree)


def look(tree: Path) -> trees.Seen:
    return trees.look(os.fsencode(tree), atime=False)


def check_settled(machine: Machine, path: str, before: trees.Seen) -> Step:
    """After the next run: the path holds what it held, and everything agrees on where that lives."""
    (step,) = {job.step for job in machine.jobs() if os.fsdecode(job.path) == path} or {Step.UNDONE}
    assert step in ENDED
    assert trees.difference(before, look(machine.root / path[1:])) == {}
    kept = os.fsencode(path) in machine.declared()
    assert machine.mounted(path) == kept
    assert not (machine.persist / ".impermanence-staging").exists()
    if not kept:
        assert not (machine.persist / path[1:]).exists()
    return step


def test_killed_while_it_persists(machine: Machine) -> None:
    steps = set()
    for turn in range(ROUNDS):
        path = f"/var/lib/app{turn}"
        before = grow(machine.root / path[1:])
        killed = killed_at(turn, lambda path=path: machine.adopt(path))  # type: ignore[misc]
        machine.recover()
        steps.add(check_settled(machine, path, before))
        if not killed:
            break
    assert turn > 15
    assert steps == set(ENDED)
    assert not killed


def test_killed_while_it_goes_back(machine: Machine) -> None:
    for turn in range(ROUNDS):
        path = f"/var/lib/app{turn}"
        before = grow(machine.root / path[1:])
        machine.adopt(path)
        killed = killed_at(turn, lambda path=path: machine.give_back(path))  # type: ignore[misc]
        machine.recover()
        assert {job.step for job in machine.jobs()} <= set(ENDED)
        assert trees.difference(before, look(machine.root / path[1:])) == {}
        assert machine.mounted(path) == (os.fsencode(path) in machine.declared())
        if not killed:
            break
    assert turn > 10
    assert not killed


class Disk:
    """The disk of a machine, which can be put back to a state and cut."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        directory = machine.filesystem.directory
        self.base = directory / "base.img"
        self.cut_off = directory / "cut.img"
        machine.shut_down()
        machine.filesystem.sync()
        self._copy(machine.filesystem.image, self.base)

    def _copy(self, source: Path, target: Path) -> None:
        sh("cp", "--sparse=always", source, target)

    def power_on(self, image: Path) -> None:
        filesystem = self.machine.filesystem
        filesystem.close_mounts()
        detach(filesystem.device, filesystem.image)
        self._copy(image, filesystem.image)
        filesystem.device = attach(filesystem.image)
        filesystem.mount(filesystem.top, "subvolid=5")

    def cut(self) -> None:
        """What was committed by now stays."""
        self._copy(self.machine.filesystem.image, self.cut_off)
        self.machine.shut_down()
        self.power_on(self.cut_off)


@pytest.mark.parametrize("wipe", [False, True], ids=["kept", "wiped"])
@pytest.mark.parametrize("back", [False, True], ids=["persist", "unpersist"])
def test_cut_with_the_power(machine: Machine, wipe: bool, back: bool) -> None:
    path = "/var/lib/app"
    before = grow(machine.root / path[1:])
    if back:
        machine.adopt(path)
    disk = Disk(machine)
    act: Callable[[], object] = lambda: machine.give_back(path) if back else machine.adopt(path)  # noqa: E731
    for turn in range(ROUNDS):
        disk.power_on(disk.base)
        machine.come_up()
        killed = killed_at(turn, act)
        disk.cut()
        machine.come_up(wipe=wipe)
        machine.recover()
        assert {job.step for job in machine.jobs()} <= set(ENDED)
        kept = os.fsencode(path) in machine.declared()
        if kept or not wipe:
            assert trees.difference(before, look(machine.root / path[1:])) == {}
        assert machine.mounted(path) == kept
        # Where nothing keeps it, the wipe has put it away with the old root; what was in the persist volume
        # by then is in its trash.
        elsewhere = [*machine.filesystem.top.glob("old_roots/*/var/lib/app"), *machine.trash()]
        assert kept or not wipe or any(trees.difference(before, look(one)) == {} for one in elsewhere)
        machine.shut_down()
        if not killed:
            break
    assert not killed
