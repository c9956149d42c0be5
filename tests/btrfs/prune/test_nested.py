"""Subvolumes nested in an old root go with it, each when it is surely what it was."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from impermanenced.boots.prune import tree
from impermanenced.cli.commands import prune as command
from impermanenced.errors import ImpermanenceError
from impermanenced.kernel import btrfs
from impermanenced.kernel.btrfs import delete
from impermanenced.report.report import Manager
from impermanenced.volumes.machine import Machine
from tests.conftest import sh

from ..nesting import nest
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
    nodes = tree.nodes

    def change_after(*arguments: Any) -> Any:
        plan = nodes(*arguments)
        if len(plan) > 1 and not (system.top / "aside").exists():
            (old / "nested").rename(system.top / "aside")
            if how == "another of that name":
                (system.top / "persist").rename(old / "nested")
            elif how == "made anew":
                sh_subvolume(old / "nested")
        return plan

    monkeypatch.setattr(tree, "nodes", change_after)
    ((root, why),) = system.prune().failed
    assert (root.number, why) == (0, "nested is not what it was a moment ago")
    assert (system.top / "aside/file").read_text() == "nested"
    if how == "another of that name":
        assert (old / "nested/file").read_text() == "persist"


def test_nested_one_whose_number_another_has(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    # What BTRFS never does, and the UUID guards against all the same.
    old = system.boot(90)
    sh_subvolume(old / "nested")
    nodes = tree.nodes

    def another_uuid(*arguments: Any) -> Any:
        return [
            node if node.name != b"nested" else dataclasses.replace(node, uuid=bytes(16))
            for node in nodes(*arguments)
        ]

    monkeypatch.setattr(tree, "nodes", another_uuid)
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


def test_twelve_hundred_in_one_another_go(system: System) -> None:
    old, other = system.boot(90), system.boot(80)
    nest(old, "s", 1200)
    pruned = system.prune()
    assert not pruned.failed
    assert not old.exists() and not other.exists()
    assert not [name for name in system.subvolumes() if name.startswith("old_roots/")]


def test_one_whose_path_is_longer_than_the_kernel_takes_goes(system: System) -> None:
    old = system.boot(90)
    nest(old, "n" * 255, 20)
    number = system.subvolumes()[f"old_roots/{old.name}"]
    with Manager(os.fsencode(system.config)) as manager:
        longest = manager.machine.nested_paths(number)[-1]
    assert longest == b"old_roots/" + os.fsencode(old.name) + b"/" + b"/".join([b"n" * 255] * 20)
    system.goes(old)


@pytest.mark.parametrize("error", [RecursionError("too deep"), KeyError(5), OSError(5, "Input/output error")])
def test_failure_of_any_kind_leaves_the_others_their_turn(
    system: System, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    old, other = system.boot(90), system.boot(80)
    nodes = tree.nodes

    def fail_first(machine: Machine, top: tree.Node) -> list[tree.Node]:
        if top.name == os.fsencode(old.name):
            raise error
        return nodes(machine, top)

    monkeypatch.setattr(tree, "nodes", fail_first)
    pruned = system.prune()
    ((root, why),) = pruned.failed
    assert (root.number, old.exists(), other.exists()) == (0, True, False)
    assert str(error.args[-1]) in why


def test_one_that_cannot_be_read_stays_and_the_others_go(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.configure('keep-min = 0\nkeep-bytes = "1KiB"')
    old, other = system.boot(90), system.boot(80)
    number = system.subvolumes()[f"old_roots/{old.name}"]
    fill = btrfs.Tree.fill

    def fail(self: btrfs.Tree, *arguments: Any, **options: Any) -> int:
        if number in (self.root_id, arguments[1][0]):  # its own tree, and what it has nested
            raise OSError(5, "Input/output error")
        return fill(self, *arguments, **options)

    monkeypatch.setattr(btrfs.Tree, "fill", fail)
    plan = system.plan()
    assert "Input/output error" in plan.faults[number]
    assert [root.number for root, _ in plan.stay] == [0]
    system.prune()
    assert old.exists() and not other.exists()
    with pytest.raises(ImpermanenceError, match=r"old_roots/0-.*: it cannot be .*Input/output error"):
        command._check(plan, None, dry_run=False)
