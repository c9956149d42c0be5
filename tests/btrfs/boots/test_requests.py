"""The request for the next boot, with real runs of the hook after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from impermanenced.boots import records, requests
from impermanenced.boots.records import NextRequest
from tests.conftest import sh

from ..users import as_nobody, open_to_all
from .machine import Machine, as_another_boot, boot_id_of


def test_keep_is_obeyed_once(machine: Machine) -> None:
    machine.boot(mine="1")
    assert machine.say("next") == "nothing is asked for: the next boot wipes\n"
    assert machine.say("next", "keep") == "the next boot keeps the root\nundo: impermanence next cancel\n"
    assert machine.say("next") == "next: keep, asked for just now  (undo: impermanence next cancel)\n"
    assert machine.boot().result.action == "kept"
    assert (machine.root / "mine").exists()
    assert machine.say("next") == "nothing is asked for: the next boot wipes\n"
    assert machine.boot().result.action == "wiped"


def test_keep_for_some_boots_counts_down(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep", "--boots", "2")
    assert machine.boot().result.action == "kept"
    assert machine.say("next").startswith("next: keep, asked for")
    assert machine.document()["next"]["boots"] == 1
    assert machine.boot().result.action == "kept"
    assert machine.boot().result.action == "wiped"


def test_cancel(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep", "--boots", "3")
    again = "undo: impermanence next keep --boots 3"
    assert machine.say("next", "cancel") == f"cancelled: keep for 3 boots\n{again}\n"
    assert machine.say("next", "cancel") == "nothing was asked for: nothing to cancel\n"
    assert machine.boot().result.action == "wiped"


def test_a_new_request_takes_the_place_of_the_old_one(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "keep")
    first = (machine.state / "next").read_bytes()
    assert "in place of: keep\n" in machine.say("next", "keep")
    assert (machine.state / "next").read_bytes() != first
    machine.say("next", "wipe")
    assert machine.boot().result.action == "wiped"


def test_dry_run_changes_nothing(machine: Machine) -> None:
    machine.boot()
    assert machine.say("next", "keep", "--dry-run") == (
        "would ask, without --dry-run: the next boot keeps the root\n"
    )
    assert not (machine.state / "next").exists()
    machine.say("next", "keep")
    assert machine.say("next", "cancel", "--dry-run") == "would cancel: keep\n"
    assert (machine.state / "next").exists()


@pytest.mark.parametrize("word", ["1", "-1"])
def test_boot_an_old_root(machine: Machine, word: str) -> None:
    machine.boot(mine="of boot 1")
    machine.boot(mine="of boot 2")
    as_another_boot(machine, 1, boot_id_of(1))
    said = machine.say("next", "boot", word)
    assert said.startswith("the next boot gets a copy of old root 1; the running root is archived\n")
    booted = machine.boot().result
    assert (booted.action, booted.boot) == ("booted", 1)
    assert (machine.root / "mine").read_text() == "of boot 1"


def test_subvolumes_nested_in_an_old_root_stay_behind(machine: Machine, tmp_path: Path) -> None:
    """A snapshot has no nested subvolumes; the way that is offered leads to them."""
    machine.boot()
    for path in ("machines", "machines/inner", "s p\x1b"):
        sh("btrfs", "subvolume", "create", machine.root / path)
    (machine.root / "machines/file").write_text("nested")
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    (old,) = machine.filesystem.top.glob("old_roots/1-*")
    name = f"old_roots/{old.name}"
    dry = machine.say("next", "boot", "1", "--dry-run")
    said = machine.say("next", "boot", "1")
    first, nested, way, undo = said.splitlines()
    assert dry.splitlines()[1:] == [nested, way]
    assert first.startswith("the next boot gets a copy of old root 1")
    assert nested == f"not in the copy: 3 subvolumes nested in {name}: /machines, /machines/inner, /s p\\x1b"
    assert undo == "undo: impermanence next cancel"
    head, _, command = way.partition(": ")
    assert head == "to look at what stays there"
    where = tmp_path / "looked-at"
    where.mkdir()
    sh("sh", "-c", command.replace(" /mnt", f" {where}"))
    try:
        assert (where / "machines/file").read_text() == "nested"
        with pytest.raises(OSError):
            (where / "machines/file").write_text("changed")
    finally:
        sh("umount", where)
    assert machine.boot().result.action == "booted"
    assert not (machine.root / "machines/file").exists()
    assert (old / "machines/file").read_text() == "nested"


def test_many_nested_subvolumes(machine: Machine) -> None:
    machine.boot()
    for number in range(8):
        sh("btrfs", "subvolume", "create", machine.root / f"sub{number}")
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    said = machine.say("next", "boot", "1")
    assert ": /sub0, /sub1, /sub2, /sub3, /sub4 and 3 more\n" in said
    assert "not in the copy" not in machine.say("next", "boot", "0"), "which has none"


def test_only_an_old_root_that_is_there(machine: Machine) -> None:
    machine.boot()
    machine.boot("impermanence=keep")
    machine.boot()
    as_another_boot(machine, 1, boot_id_of(1))
    as_another_boot(machine, 2, boot_id_of(2))
    assert "there is no boot 9" in machine.refused(2, "next", "boot", "9")
    assert "there is no boot -9" in machine.refused(2, "next", "boot", "-9")
    assert "boot 3 is the running one" in machine.refused(2, "next", "boot", "3")
    assert "boot 1 has no old root: boot 2 kept it" in machine.refused(2, "next", "boot", "1")
    (old,) = machine.filesystem.top.glob("old_roots/2-*")
    twin = f"old_roots/2-{boot_id_of(7)}"
    machine.filesystem.snapshot(f"old_roots/{old.name}", twin)
    assert "there are several old roots 2" in machine.refused(2, "next", "boot", "2")
    sh("btrfs", "subvolume", "delete", old, machine.filesystem.top / twin)
    assert "there is no old root 2 of volume root any more" in machine.refused(2, "next", "boot", "2")


def test_a_name_the_hook_does_not_look_for_is_no_old_root(machine: Machine) -> None:
    machine.boot()
    machine.boot()
    (old,) = machine.filesystem.top.glob("old_roots/0-*")
    old.rename(old.with_name(old.name + "-2"))
    assert "there is no old root 0 of volume root any more" in machine.refused(2, "next", "boot", "0")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file is empty"),
        (b"VERSION=1\nACTION=keep\nID=x\nX=\x1b[31m\n", "next:4: not KEY=value"),
        (b"VERSION=1\nACTION=delete\nID=x\n", "ACTION is not one of"),
    ],
)
def test_a_request_that_cannot_be_understood(machine: Machine, content: bytes, fault: str) -> None:
    machine.boot()
    (machine.state / "next").write_bytes(content)
    for said in (machine.say("next"), machine.say("status"), machine.say("boots")):
        assert "next: cannot be understood, and the hook will not wipe:\n  .impermanence/next" in said
        assert fault in said
        assert "impermanence next cancel" in said
        assert "\x1b" not in said
    assert "in place of: a request that cannot be understood" in machine.say("next", "wipe", "--dry-run")
    assert machine.say("next", "cancel") == "cancelled: a request that cannot be understood\n"
    (machine.state / "next").symlink_to("/etc/hostname")
    assert "cannot be understood" in machine.say("next")
    machine.say("next", "keep")
    assert machine.boot().result.action == "kept"


def test_a_directory_in_place_of_the_request(machine: Machine) -> None:
    (machine.state / "next").mkdir()
    assert ".impermanence/next: not a regular file" in machine.say("next")
    for words in (["next", "keep"], ["next", "cancel"]):
        result = machine.run(*words)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == "impermanence: .impermanence/next: Is a directory\n"
    assert [path.name for path in machine.state.glob(".next*")] == []


def test_a_request_that_will_not_be_obeyed(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "boot", "0")
    (old,) = machine.filesystem.top.glob("old_roots/0-*")
    sh("btrfs", "subvolume", "delete", old)
    said = machine.say("next").splitlines()
    assert said[0].startswith("next: boot 0, asked for just now")
    assert said[1].startswith("the rollback of the next boot will be refused: ")
    assert said[1].endswith(" (old-root-missing).")
    booted = machine.boot()
    assert (booted.result.action, booted.result.reason_code) == ("refused", "old-root-missing")
    newest = machine.document()["boots"][0]
    found = [newest[key] for key in ("action", "booted", "reason_code")]
    assert found == ["refused", None, "old-root-missing"]
    assert "booted" not in machine.say("boots").splitlines()[1]


def test_status_says_what_is_asked_for(machine: Machine) -> None:
    machine.boot()
    assert "next:" not in machine.say("status")
    machine.say("next", "keep")
    lines = machine.say("status").splitlines()
    assert lines[1] == "next: keep, asked for just now  (undo: impermanence next cancel)"


def test_only_root_may_ask(machine: Machine) -> None:
    open_to_all(machine.config)
    for words in (["next"], ["next", "keep"], ["boots"]):
        assert "needs root" in machine.refused(4, *words, wrap=as_nobody())


def test_a_wipe_in_a_trial(machine: Machine) -> None:
    machine.config.write_text(machine.config.read_text() + "[rollback]\nwipe = false\n")
    assert machine.say("next") == (
        "nothing is asked for: the next boot wipes "
        "(setup has not been run since rollback.wipe became false)\n"
    )
    assert "1 thing" not in machine.say("status") and "trial" not in machine.say("status").splitlines()[0]
    machine.say("setup")
    assert "keeps the root: this is a trial" in machine.say("next")
    assert "were this not a trial" in machine.say("status").splitlines()[0]
    assert "but this is a trial: nothing is wiped" in machine.say("next", "wipe")


def test_machine_that_is_not_set_up(machine: Machine) -> None:
    sh("btrfs", "subvolume", "delete", machine.state)
    for words in (["next"], ["next", "keep"], ["next", "cancel"], ["boots"]):
        assert "hint: impermanence setup" in machine.refused(5, *words)
    machine.state.symlink_to("root")
    assert "is not a subvolume" in machine.refused(5, "next", "keep")


def test_requests_have_ids_of_their_own() -> None:
    first, second = requests.new("keep"), requests.new("keep")
    assert first.id != second.id
    assert records.parse_next(records.format_next(first)) == NextRequest("keep", first.id)
