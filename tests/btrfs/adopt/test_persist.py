"""What `persist` does with a path of a running system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.boots.records.job import Step

from ..copying import trees
from .machine import Machine


@pytest.fixture
def sonarr(machine: Machine) -> Path:
    tree = machine.root / "var/lib/sonarr"
    trees.torture(tree)
    return tree


def test_a_directory_is_kept_with_all_that_belongs_to_it(machine: Machine, sonarr: Path) -> None:
    before = trees.look(os.fsencode(sonarr))
    job, notes = machine.adopt("/var/lib/sonarr")
    assert (job.step, notes) == (Step.DONE, [])
    assert machine.mounted("/var/lib/sonarr")
    assert machine.declared() == {b"/var/lib/sonarr"}
    assert trees.difference(before, trees.look(os.fsencode(sonarr))) == {}
    (sonarr / "written-later").write_text("kept")
    machine.reboot()
    assert (sonarr / "written-later").read_text() == "kept"
    (sonarr / "written-later").unlink()
    os.utime(sonarr, ns=(trees.LONG_AGO, trees.LONG_AGO + 1))
    assert trees.difference(before, trees.look(os.fsencode(sonarr))) == {}


def test_a_directory_at_the_top(machine: Machine) -> None:
    tree = machine.root / "srv"
    trees.torture(tree)
    before = trees.look(os.fsencode(tree))
    machine.adopt("/srv")
    assert machine.mounted("/srv")
    assert trees.difference(before, trees.look(os.fsencode(tree))) == {}
    machine.give_back("/srv")
    assert trees.difference(before, trees.look(os.fsencode(tree))) == {}


def test_it_goes_back_as_it_was(machine: Machine, sonarr: Path) -> None:
    before = trees.look(os.fsencode(sonarr))
    machine.adopt("/var/lib/sonarr")
    job, notes = machine.give_back("/var/lib/sonarr")
    assert (job.step, notes) == (Step.DONE, [])
    assert not machine.mounted("/var/lib/sonarr")
    assert machine.declared() == set()
    assert trees.difference(before, trees.look(os.fsencode(sonarr))) == {}
    assert not (machine.persist / "var/lib/sonarr").exists()
