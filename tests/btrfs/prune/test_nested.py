"""Subvolumes nested in an old root go with it, each when it is surely what it was."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from impermanenced.boots.prune import prune
from impermanenced.kernel.btrfs import delete
from tests.conftest import sh

from .machine import System, sh_subvolume


def test_nested_three_deep_and_read_only(system: System) -> None:
    old = system.boot(90)
    for path in ("a", "a/b", "a/b/c", "a/b/d", "e"):
        sh_subvolume(old / path)
    for path in ("a/b/c", "a/b", "a", "."):
        sh("btrfs", "property", "set", "-ts", old / path, "ro", "true")
    inside = {name for name in system.subvolumes() if name.startswith("old_roots/")}
    assert len(inside) == 6
    before = system.subvolumes()
    assert not system.prune().failed
    assert before.keys() - system.subvolumes().keys() == inside


def test_nested_in_a_directory_of_a_user(system: System) -> None:
    old = system.boot(90)
    (old / "home/alice").mkdir(parents=True, mode=0o700)
    sh_subvolume(old / "home/alice/sub")
    os.chown(old / "home/alice", 1000, 1000)
    system.goes(old)


@pytest.mark.parametrize("how", ["another of that name", "moved to another subvolume", "made anew"])
def test_nested_one_that_is_not_what_it_was(
    system: System, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A number alone is not enough: its UUID, its parent and its name there must be those of the plan."""
    old = system.boot(90)
    sh_subvolume(old / "nested")
    (old / "nested/file").write_text("nested")
    tree = prune._tree

    def change_after(*arguments: Any) -> Any:
        plan = tree(*arguments)
        if len(plan) > 1 and not (system.top / "aside").exists():
            (old / "nested").rename(system.top / "aside")
            if how == "another of that name":
                (system.top / "persist").rename(old / "nested")
            elif how == "made anew":
                sh_subvolume(old / "nested")
        return plan

    monkeypatch.setattr(prune, "_tree", change_after)
    ((root, why),) = system.prune().failed
    assert (root.number, why) == (0, "nested is not what it was a moment ago")
    assert (system.top / "aside/file").read_text() == "nested"
    if how == "another of that name":
        assert (old / "nested/file").read_text() == "persist"


def test_nested_one_whose_number_another_has(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    # What BTRFS never does, and the UUID guards against all the same.
    old = system.boot(90)
    sh_subvolume(old / "nested")
    tree = prune._tree

    def another_uuid(*arguments: Any) -> Any:
        return [
            node if node.name != b"nested" else dataclasses.replace(node, uuid=bytes(16))
            for node in tree(*arguments)
        ]

    monkeypatch.setattr(prune, "_tree", another_uuid)
    ((_, why),) = system.prune().failed
    assert why == "nested is not what it was a moment ago"
    assert (old / "nested").is_dir()


def test_failure_in_the_middle_is_said_and_the_next_run_goes_on(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = system.boot(90), system.boot(80)
    for path in ("a", "b", "c"):
        sh_subvolume(old / path)
    destroy, calls = delete.snap_destroy, []

    def fail_second(fd: int, number: int) -> None:
        calls.append(number)
        if len(calls) == 2:
            raise OSError(1, "Operation not permitted")
        destroy(fd, number)

    monkeypatch.setattr(delete, "snap_destroy", fail_second)
    pruned = system.prune()
    assert [(root.number, why) for root, why in pruned.failed] == [(0, "Operation not permitted")]
    assert old.exists() and not other.exists()
    assert len(os.listdir(old)) == 3  # two of the three, and the file of the blank
    monkeypatch.undo()
    system.goes(old)
