"""What `impermanence doctor` finds in the blank, beside the system that runs."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.boots import doctor_blank, examine
from impermanenced.boots.doctor import Finding
from impermanenced.report.report import Manager
from tests.conftest import sh

from .machine import System

NOTHING = (
    "after the next boot nothing mounts /persist: here /etc/fstab does, and the blank root-blank has no "
)
FSTAB = "UUID=x / btrfs subvol=root 0 0\nUUID=x /persist btrfs subvol=persist 0 0\nUUID=x none swap sw 0 0\n"


def findings(system: System) -> list[Finding]:
    with Manager(os.fsencode(system.config)) as manager:
        return doctor_blank.examine(manager.machine, examine.next_boot(manager.machine))


def whats(system: System) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in findings(system)]


def run(system: System, finding: Finding) -> None:
    """Do what is said: the commands find the top level at /mnt, in a namespace of their own."""
    script = " && ".join(finding.commands)
    sh("unshare", "--mount", "--propagation", "private", "sh", "-ec", script)


@contextlib.contextmanager
def blank_of(system: System) -> Iterator[Path]:
    """The blank, which can be written to for a while."""
    blank = system.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    yield blank
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


@pytest.fixture
def persist(system: System) -> System:
    """A machine with a persist volume, which its fstab mounts; the blank is older."""
    assert system.run("setup").returncode == 0
    system.filesystem.subvolume("persist")
    (system.root / "etc/fstab").write_text(FSTAB)
    system.filesystem.mount(system.root / "persist", "subvol=persist")
    return system


def test_a_blank_without_fstab(persist: System) -> None:
    (one,) = findings(persist)
    assert one.severity == "error"
    assert one.what == f"{NOTHING}/etc/fstab"
    run(persist, one)
    (one,) = findings(persist)
    assert one.severity == "warning"
    assert one.what.startswith("the blank root-blank has no place to mount at: /persist. systemd makes it")
    run(persist, one)
    assert findings(persist) == []


def test_a_blank_with_another_fstab(persist: System) -> None:
    with blank_of(persist) as blank:
        (blank / "etc/fstab").write_text("UUID=x / btrfs subvol=root 0 0\n")
        (blank / "persist").mkdir()
    assert whats(persist) == [("error", f"{NOTHING}such line or unit")]
    with blank_of(persist) as blank:
        (blank / "etc/fstab").write_text(FSTAB.replace("subvol=persist", "subvol=/old/"))
    assert whats(persist) == [
        (
            "warning",
            "the blank root-blank mounts something else at /persist (UUID=x old, /etc/fstab:2) than what "
            "runs (UUID=x persist, /etc/fstab:2)",
        )
    ]
    # The same device by another name, and the same subvolume in another spelling.
    same = FSTAB.replace("UUID=x /persist", "/dev/vda /persist").replace("=persist", "=/persist")
    with blank_of(persist) as blank:
        (blank / "etc/fstab").write_text(same)
    assert findings(persist) == []


def test_a_unit_mounts_it_there(persist: System) -> None:
    with blank_of(persist) as blank:
        (blank / "persist").mkdir()
        units = blank / "etc/systemd/system"
        units.mkdir(parents=True)
        (units / "persist.mount").write_text("[Mount]\nWhat=UUID=x\nOptions=subvol=persist\n")
    assert findings(persist) == []


def test_a_table_that_is_not_the_volumes_own(persist: System) -> None:
    """NixOS: a link into a store that stays; or it is mounted from the persist volume, by the initrd."""
    table = persist.root / "etc/fstab"
    shutil.move(table, persist.root / "persist/fstab")
    table.symlink_to("/persist/fstab")
    assert findings(persist) == []
    table.unlink()
    table.touch()
    sh("mount", "--bind", persist.root / "persist/fstab", table)
    persist.filesystem.mounts.append(table)
    assert findings(persist) == []


def test_what_is_not_mounted_now_is_not_missed(persist: System) -> None:
    persist.filesystem.umount(persist.root / "persist")
    assert findings(persist) == []


def test_a_trial_is_no_error(persist: System) -> None:
    persist.configure("[rollback]\nwipe = false\n")
    assert persist.run("setup").returncode == 0
    assert [severity for severity, _ in whats(persist)] == ["warning"]


def test_a_blank_without_the_configuration(persist: System) -> None:
    here = persist.root / "etc/impermanence"
    (here / "config.d").mkdir(parents=True)
    (here / "config.toml").write_text("")
    (here / "config.d/mine.toml").write_text("")
    (persist.root / "etc/fstab").unlink()
    (one,) = findings(persist)
    assert (one.severity, one.what) == (
        "error",
        "the blank root-blank lacks the configuration, which is gone after the next boot: "
        "/etc/impermanence/config.d/mine.toml, /etc/impermanence/config.toml",
    )
    run(persist, one)
    assert findings(persist) == []
    (here / "config.toml").write_text("[rollback]\n")
    (one,) = findings(persist)
    assert one.severity == "warning"
    assert one.what == (
        "the blank root-blank has another configuration, which comes back: /etc/impermanence/config.toml"
    )
    run(persist, one)
    assert findings(persist) == []


def test_a_configuration_that_persists(persist: System) -> None:
    (persist.root / "etc/fstab").unlink()
    kept = persist.root / "persist/impermanence"
    kept.mkdir()
    (kept / "config.toml").touch()
    (persist.root / "etc/impermanence").symlink_to("/persist/impermanence")
    assert findings(persist) == []


@pytest.mark.parametrize("kind", ["fifo", "loop", "directory", "bytes"])
def test_hostile_files(persist: System, kind: str) -> None:
    here = persist.root / "etc/impermanence"
    here.mkdir()
    blank = persist.filesystem.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    for file in (blank / "etc/fstab", here / "config.toml"):
        match kind:
            case "fifo":
                os.mkfifo(file)
            case "loop":
                file.symlink_to(file.name)
            case "directory":
                file.mkdir()
            case "bytes":
                file.write_bytes(b"UUID=\xff /\x1b[31m\xff btrfs subvol=\xff,subvol= 0 0\n/x // y z\n\0\n")
    for finding in findings(persist):
        assert finding.what.isprintable() and all(command.isprintable() for command in finding.commands)
