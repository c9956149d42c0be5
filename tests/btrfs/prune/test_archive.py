"""What is no old root for sure stays: by its record, its name, its UUID and its place."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots.prune import protection
from impermanenced.errors import NotSetUp, RecordError
from impermanenced.kernel.btrfs import delete

from .machine import System, sh_subvolume

# Records


def test_unreadable_record(system: System) -> None:
    old = system.boot(90)
    other = system.boot(80)
    system.boot(0)
    (system.boots / "1.env").write_text("VERSION=1\n?\n")
    assert "boots/1.env" in system.plan().found.broken[0]
    assert system.unknown(old) == "is in no record"
    assert not other.exists()


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "of another boot"])
def test_record_that_is_something_else(system: System, kind: str) -> None:
    old = system.boot(90)
    system.boot(0)
    record = system.boots / "1.env"
    aside = system.top / "aside"
    aside.write_bytes(record.read_bytes())
    record.unlink()
    if kind == "fifo":
        os.mkfifo(record)
    elif kind == "link":
        record.symlink_to(aside)
    elif kind == "directory":
        record.mkdir()
    else:
        record.write_bytes((system.boots / "2.env").read_bytes())
    assert system.plan().found.broken
    assert system.unknown(old) == "is in no record"


def test_newest_record_is_unreadable(system: System) -> None:
    old = system.boot(90)
    system.boot(0)
    (system.boots / "2.env").write_text("")
    assert "newest record" in system.reason(old)


def test_unreadable_rollback_env(system: System) -> None:
    # It names the blanks; without it nobody knows all that is in use.
    old = system.boot(90)
    (system.top / ".impermanence/rollback.env").write_text("?")
    with pytest.raises(RecordError):
        system.prune()
    assert old.exists()


# The archive


def test_names_of_others_stay(system: System) -> None:
    # The classic script names old roots by mtime.
    system.boot(0)
    other = system.filesystem.snapshot("seed", "old_roots/2025-01-02_03:04:05")
    assert "name of an old root" in system.unknown(other)
    assert system.prune().gone == ()


def test_old_root_that_no_record_names(system: System) -> None:
    other = system.filesystem.snapshot("seed", f"old_roots/5-{uuid.UUID(int=5)}")
    system.boot(0)
    assert system.unknown(other) == "is in no record"


@pytest.mark.parametrize("other", ["persist", "home", "nix", "seed"])
def test_another_subvolume_under_the_same_name(system: System, other: str) -> None:
    old = system.boot(90)
    system.boot(0)
    agreed = system.plan()
    old.rename(system.top / "aside")
    (system.top / other).rename(old)
    assert system.prune(agreed=agreed).gone == ()
    assert "not the subvolume" in system.unknown(old)
    assert (system.top / "aside").exists()


@pytest.mark.parametrize("target", ["../persist", "/", "../root-blank"])
def test_symbolic_link_in_the_archive(system: System, target: str) -> None:
    old = system.boot(90)
    system.boot(0)
    before = system.subvolumes()
    old.rename(system.top / "aside")
    old.symlink_to(target)
    assert system.unknown(old) == "is not a subvolume"
    assert len(system.subvolumes()) == len(before)


def test_archive_behind_a_symbolic_link(system: System) -> None:
    old = system.boot(90)
    (system.top / "old_roots").rename(system.top / "elsewhere")
    (system.top / "old_roots").symlink_to("elsewhere")
    with pytest.raises(NotSetUp):
        system.prune()
    assert (system.top / "elsewhere" / old.name).exists()


def test_plain_directory_with_the_name_of_an_old_root(system: System) -> None:
    old = system.boot(90)
    old.rename(system.top / "aside")
    old.mkdir()
    assert system.unknown(old) == "is not a subvolume"


def test_old_root_that_somebody_put_one_directory_deeper(system: System) -> None:
    old = system.boot(90)
    aside = old.parent / "aside"
    aside.mkdir()
    old.rename(aside / old.name)
    old.mkdir()
    assert system.unknown(old) == "is not a subvolume"
    assert (aside / old.name).exists()


def test_swapped_between_the_last_look_and_the_deletion(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Deleting by name would take the volume of /persist.
    old = system.boot(90)
    destroy = delete.snap_destroy

    def swap_first(fd: int, number: int) -> None:
        old.rename(system.top / "aside")
        (system.top / "persist").rename(old)
        destroy(fd, number)

    monkeypatch.setattr(delete, "snap_destroy", swap_first)
    system.prune()
    assert (old / "file").read_text() == "persist"
    assert not (system.top / "aside").exists()


def test_moved_away_between_the_plan_and_its_turn(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    old = system.boot(90)
    nested = Path(sh_subvolume(old / "nested"))
    look = protection.look
    calls = []

    def move_first(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:  # the second of the look before each deletion
            old.rename(system.top / "aside")
        return look(*arguments)

    agreed = system.plan()
    monkeypatch.setattr(protection, "look", move_first)
    ((_, why),) = system.prune(agreed=agreed).failed
    assert "not what it was" in why
    assert (system.top / "aside").exists() and not nested.exists()
