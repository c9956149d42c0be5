"""What `impermanence doctor` says of the system that runs: of this boot, and of what the next one takes."""

from __future__ import annotations

import pytest

from impermanenced.boots import history, records
from impermanenced.boots.records import BootRecord
from tests.conftest import sh

from .machine import System, doctor_of_the_root


def result(action: str, code: str | None, *, hold: bool = False) -> str:
    """What the hook has left of this boot."""
    record = BootRecord(
        None, history.this_boot_id(), 1_700_000_000, "6.1.0", action, "some reason", code, hold=hold
    )
    return records.format_record(record).decode()


def blank_is_read_only(system: System, yes: str) -> None:
    sh("btrfs", "property", "set", "-ts", system.filesystem.top / "root-blank", "ro", yes)


@pytest.fixture
def machine(system: System) -> System:
    assert system.run("setup").returncode == 0
    return system


def test_this_boot_was_refused_and_it_is_mended(machine: System) -> None:
    """Until the reboot nothing more can be done: it is a note, and the exit code is that of the next boot."""
    refused = result("refused", "blank-writable")
    blank_is_read_only(machine, "false")
    code, found = doctor_of_the_root(machine, refused)
    errors = [one for one in found if one["severity"] == "error"]
    assert code == 1 and [one["reason_code"] for one in errors] == ["blank-writable"], "once, not twice"
    assert errors[0]["commands"][1] == "btrfs property set -ts /mnt/root-blank ro true"
    blank_is_read_only(machine, "true")
    code, found = doctor_of_the_root(machine, refused)
    assert code == 0, found
    (note,) = [one for one in found if one["reason_code"] == "blank-writable"]
    assert (note["severity"], note["hint"]) == ("note", "that is over: the next boot will wipe")
    assert note["what"].startswith("not rolled back since ") and "some reason" in note["what"]


@pytest.mark.parametrize(
    ("action", "reason", "hold", "severity", "hint"),
    [
        ("failed", "not-staged", False, "warning", "the next boot will wipe, if what failed is mended"),
        ("other", "other-subvolume", False, "note", "that is over: the next boot will wipe"),
        ("booted", None, True, "note", "that is over: the next boot will wipe"),  # a wipe was asked for
        ("refused", "hibernation-image", False, "error", "Do not resume it any more: mkswap, or boot once"),
        ("refused", "root-mounted", False, "error", "Nothing is lost. To do: have the program run before"),
    ],
)
def test_what_this_boot_did(
    machine: System, action: str, reason: str | None, hold: bool, severity: str, hint: str
) -> None:
    code, found = doctor_of_the_root(machine, result(action, reason, hold=hold))
    assert code == (1 if severity == "error" else 0), found
    (one,) = [one for one in found if one["what"].startswith(("not rolled back", "wiping", "another root"))]
    assert one["severity"] == severity
    assert one["hint"].startswith(hint)


def test_what_the_next_boot_takes_away_is_an_error(machine: System) -> None:
    """In a system that does not run the same is a warning: what is mounted when it runs, nobody knows."""
    (machine.root / "etc/impermanence").mkdir()
    (machine.root / "etc/impermanence/config.toml").write_text(
        '[persist."/persist"]\ndirectories = ["/var/lib/thing"]\n'
    )
    (machine.root / "etc/passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh\n")
    code, found = doctor_of_the_root(machine)
    errors = [one["what"] for one in found if one["severity"] == "error"]
    assert code == 1
    for words in (
        "there is no /persist: what is declared below it is kept nowhere",
        "declared, but nothing is mounted there: /var/lib/thing. What",
        "nothing of the home of alice, /home/alice, is kept",
        "the blank root-blank lacks the configuration, which is gone after the next boot: /etc/impermanence",
    ):
        assert any(what.startswith(words) for what in errors), (words, errors)
