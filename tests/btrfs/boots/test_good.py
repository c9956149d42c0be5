"""This boot is good: the mark, and who gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from impermanenced.boots import good, history
from tests.conftest import Filesystem

from .machine import Machine, boot_id_of, mark


def test_a_good_boot_is_marked(machine: Machine) -> None:
    machine.boot()
    booted = machine.boot()
    machine.config.write_text("nonsense [\n")
    for _ in range(2):
        assert mark(booted) == 2
        assert [file.name for file in machine.state.glob("boots/*.good")] == ["2.good"]
    machine.boot()
    assert [file.name for file in machine.state.glob("boots/*.good")] == ["2.good"]


def test_marked_boots_are_what_the_hook_counts(machine: Machine) -> None:
    mark(machine.boot(mine="good"))
    for _ in range(3):
        assert machine.boot().result.action == "wiped"
    booted = machine.boot().result
    assert (booted.action, booted.boot, booted.hold) == ("booted", 1, True)
    assert (machine.root / "mine").read_text() == "good"


def test_the_result_of_another_boot_marks_nothing(machine: Machine) -> None:
    booted = machine.boot()
    file = booted.run / "impermanence/rollback.env"
    file.write_text(file.read_text().replace(history.this_boot_id(), boot_id_of(3)))
    assert mark(booted) is None
    assert not list(machine.state.glob("boots/*.good"))
    assert good.mark(None, history.this_boot_id()) is None


def test_a_boot_without_the_hook_marks_nothing(machine: Machine) -> None:
    assert mark(machine.boot("impermanence=off")) is None


def test_another_filesystem_with_the_same_layout_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    booted = machine.boot()
    (tmp_path / "second").mkdir()
    other = Filesystem(tmp_path / "second")
    try:
        other.subvolume("root")
        other.subvolume(".impermanence")
        (other.top / ".impermanence/boots").mkdir()
        other.mount(tmp_path / "second/root", "subvol=root")
        assert mark(booted) == 1
        assert not list(other.top.glob(".impermanence/boots/*"))
        machine.filesystem.umount(machine.root)
        with pytest.raises(Exception, match="the record of boot 1 is on no mounted filesystem"):
            mark(booted)
    finally:
        other.close()


def test_a_link_in_place_of_the_file_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    booted = machine.boot()
    (machine.state / "boots/1.good").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="symbolic"):
        mark(booted)
    assert not (tmp_path / "made").exists()
