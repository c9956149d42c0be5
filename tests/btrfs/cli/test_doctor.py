"""What `impermanence doctor` finds, and that it finds nothing where nothing is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import doctor, examine, history, records
from impermanenced.boots.doctor import Finding, Running
from impermanenced.boots.records import BootRecord
from impermanenced.model import Decision
from impermanenced.report.report import Manager
from tests.conftest import sh, swap_on
from tests.schema import checked

from .machine import System


def findings(system: System, running: Running | None = None) -> list[Finding]:
    with Manager(os.fsencode(system.config)) as manager:
        decision = examine.next_boot(manager.machine)
        return doctor.examine(manager.config, manager.machine, running or Running(), decision)


def whats(system: System, running: Running | None = None) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in findings(system, running)]


def set_up(system: System) -> None:
    assert system.run("setup").returncode == 0


def document(system: System, code: int) -> Any:
    result = system.run("doctor", "--json")
    assert (result.returncode, result.stderr) == (code, "")
    return checked("doctor", result.stdout)


def test_nothing_is_wrong(system: System) -> None:
    set_up(system)
    (system.root / "etc/fstab").write_text(
        "# subvolid=256\n"
        "UUID=x / btrfs subvol=root,noatime 0 0\n"
        "UUID=x /nix btrfs subvolid=300 0 0\n"
        "UUID=y /boot vfat umask=0077 0 2\n"
        "short line\n"
    )
    before = system.everything()
    assert document(system, 0) == {"version": 1, "findings": []}
    assert system.run("doctor").stdout == "nothing is wrong.\n"
    assert system.everything() == before


def test_set_up_never_or_before_something_changed(system: System) -> None:
    nothing = "nothing will be rolled back: no rollback.env in the initrd, and none on the disk"
    assert whats(system) == [("error", nothing)]
    set_up(system)
    system.configure("[rollback]\nwipe = false\n")
    result = system.run("doctor")
    assert (result.returncode, result.stderr) == (0, ""), "a warning is no error"
    assert result.stdout == (
        "1 thing is wrong.\n\n"
        "  warning  setup has not been run since something changed. "
        "It would write .impermanence/rollback.env, which the initrd obeys\n"
        "           hint: run it:\n"
        "                 impermanence setup\n"
    )
    set_up(system)
    assert whats(system) == []


@pytest.mark.parametrize("by", ["256", "0x100", "0256"])
def test_mounted_by_number(system: System, by: str) -> None:
    """Of the system that runs, and of the blank that comes next; each line once."""
    set_up(system)
    number = sh("btrfs", "inspect-internal", "rootid", system.root).strip()
    assert number == "256"
    line = f"UUID=x /mnt/with\\040blank btrfs noatime,subvolid={by} 0 0\n"
    (system.root / "etc/fstab").write_text("# by number\n" + line + line)
    (one,) = findings(system)
    assert (one.severity, one.hint) == ("error", "name it there: subvol=root")
    assert one.what == (
        "/etc/fstab:2: /mnt/with blank is mounted by subvolid=, after a rollback the number of the old root"
    )
    (system.root / "etc/fstab").write_text("UUID=x / btrfs subvolid=777 0 0\n")
    assert len(findings(system)) == 1, "the volume's own place, whatever number it has there"


def test_mounted_by_number_in_the_blank_alone(system: System) -> None:
    set_up(system)
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    (blank / "etc/fstab").write_text("UUID=x / btrfs subvolid=256 0 0\n")
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")
    assert [what for _, what in whats(system)] == [
        "root-blank/etc/fstab:1: / is mounted by subvolid=, after a rollback the number of the old root"
    ]


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "bytes"])
def test_hostile_tables(system: System, kind: str) -> None:
    set_up(system)
    table = system.root / "etc/fstab"
    match kind:
        case "fifo":
            os.mkfifo(table)
        case "link":
            table.symlink_to("fstab")
        case "directory":
            table.mkdir()
        case "bytes":
            table.write_bytes(b"UUID=\xff /\x1b[31m\xff btrfs subvolid=256 0 0\n\0\xff\n" + b"x " * 100)
    result = system.run("doctor")
    assert (result.returncode, result.stderr) == (1 if kind == "bytes" else 0, "")
    assert "\x1b" not in result.stdout


def test_an_active_swap_file(system: System) -> None:
    set_up(system)
    swap = system.root / "swap file"
    swap_on(swap)
    try:
        swaps = Path("/proc/swaps").read_bytes()
    finally:
        sh("swapoff", swap)
    assert whats(system, Running(swaps=swaps)) == [
        (
            "warning",
            f"the swap file {swap} lies in volume root: "
            "the next boot has none, and an old root takes its space until it is pruned",
        )
    ]
    swap.unlink()
    assert whats(system, Running(swaps=swaps)) == []
    outside = b"Filename Type Size Used Priority\n/proc/self/status file 1 0 -2\n/dev/sda2 partition 1 0 -2\n"
    assert whats(system, Running(swaps=outside)) == []


def test_what_the_hook_would_refuse(system: System) -> None:
    """It is said once, whatever else does not go then: the program of the initrd says it."""
    set_up(system)
    sh("btrfs", "property", "set", "-ts", system.filesystem.top / "root-blank", "ro", "false")
    found = document(system, 1)
    assert found["findings"] == [
        {
            "severity": "error",
            "what": "the rollback of the next boot will be refused: "
            "the blank root-blank of volume root: it is not read-only",
            "hint": "look at what was written, then make it read-only",
            "commands": [
                f"mount -o subvolid=5 {system.filesystem.device} /mnt",
                "btrfs property set -ts /mnt/root-blank ro true",
            ],
            "safe": False,
            "reason_code": "blank-writable",
        }
    ]
    assert system.run("doctor", COLUMNS="80").stdout == (
        "1 thing is wrong, 1 error among them.\n\n"
        "  error    the rollback of the next boot will be refused: the blank root-blank\n"
        "           of volume root: it is not read-only (blank-writable)\n"
        "           hint: look at what was written, then make it read-only:\n"
        f"                 mount -o subvolid=5 {system.filesystem.device} /mnt\n"
        "                 btrfs property set -ts /mnt/root-blank ro true\n"
    )


def test_a_blank_that_was_taken_anew_is_an_error(system: System) -> None:
    set_up(system)
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "subvolume", "delete", blank)
    system.filesystem.snapshot("root", "root-blank", readonly=True)
    codes = [(finding.severity, finding.code) for finding in findings(system)]
    assert codes == [("error", "blank-replaced"), ("warning", None)]


def test_a_program_that_is_not_there(system: System) -> None:
    set_up(system)
    unknown = Decision("unknown", why="impermanence-rollback: not found")
    with Manager(os.fsencode(system.config)) as manager:
        (one,) = doctor.examine(manager.config, manager.machine, Running(), unknown)
    assert (one.severity, one.what) == (
        "warning",
        "what the next boot will do is not known: impermanence-rollback: not found",
    )


def test_a_record_that_cannot_be_understood(system: System) -> None:
    """The newest one stops the next boot; any other loses only what it alone knew."""
    set_up(system)
    (system.filesystem.top / ".impermanence/boots/7.env").write_text("nonsense\n")
    (one,) = findings(system)
    assert (one.severity, one.code) == ("error", "last-record-invalid")
    boot = BootRecord(8, history.this_boot_id(), 1_700_000_000, "6.1.0", "kept")
    (system.filesystem.top / ".impermanence/boots/8.env").write_bytes(records.format_record(boot))
    ((severity, what),) = whats(system)
    assert severity == "warning"
    assert what.startswith("boot 7: .impermanence/boots/7.env:1: ")
