"""`setup --off`: after it no initrd wipes, whichever it is, until setup is run again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from impermanenced.boots import records
from tests import chroot
from tests.conftest import Filesystem, sh

from .machine import Machine

ASKED = "ask in .impermanence/next to keep the root, for an initrd that has a record of its own"
REMOVED = "remove .impermanence/rollback.env, which every initrd obeys that has no record of its own"


def test_no_initrd_wipes_after_it(machine: Machine) -> None:
    assert machine.boot(crud="x").result.action == "wiped"
    said = machine.say("setup", "--off")
    assert said == f"done:\n  {ASKED}\n  {REMOVED}\nundo: impermanence setup\n"
    for _ in range(2):
        booted = machine.boot()
        assert (booted.result.action, booted.result.reason_code) == ("off", "no-record")
        assert (machine.root / "crud").exists()
    assert machine.say("setup", "--off") == "already off: nothing to do\n"
    asked = "next: keep, as setup --off asked, asked for just now  (undo: impermanence setup)\n"
    assert machine.say("next").startswith(asked)
    assert asked in machine.say("status")


def test_an_initrd_with_a_record_of_its_own_keeps_the_root(machine: Machine) -> None:
    """That record goes before the one on the disk: without the request it would wipe the machine for ever."""
    shutil.copy(machine.state / "rollback.env", machine.initrd.copy)
    assert machine.boot(crud="x").result.action == "wiped"
    machine.say("setup", "--off")
    for left in (999_999_998, 999_999_997):
        booted = machine.boot()
        assert (booted.result.action, booted.result.request_left) == ("kept", left)
        assert (machine.root / "crud").exists()
    machine.say("setup")
    assert machine.boot().result.action == "wiped"


def test_set_up_again(machine: Machine) -> None:
    before = (machine.state / "rollback.env").read_bytes()
    machine.say("setup", "--off")
    assert machine.say("setup").splitlines()[1:] == [
        "  write .impermanence/rollback.env, which the initrd obeys",
        "  remove .impermanence/next, by which setup --off keeps the root",
    ]
    assert (machine.state / "rollback.env").read_bytes() == before
    assert machine.boot(crud="x").result.action == "wiped"
    machine.say("next", "keep")
    assert machine.say("setup") == "already set up: nothing to do\n", "that request is a person's"
    assert machine.boot().result.action == "kept"


def test_it_takes_the_place_of_another_request(machine: Machine) -> None:
    machine.boot()
    machine.say("next", "boot", "0")
    machine.say("setup", "--off")
    assert records.parse_next((machine.state / "next").read_bytes()).off


def test_a_dry_run_changes_nothing(machine: Machine) -> None:
    before = sh("find", machine.filesystem.top, "-printf", "%p %i %T@ %s\n")
    said = machine.say("setup", "--off", "--dry-run")
    assert said == f"would do, without --dry-run:\n  {ASKED}\n  {REMOVED}\n"
    assert sh("find", machine.filesystem.top, "-printf", "%p %i %T@ %s\n") == before


@pytest.mark.parametrize("fault", ["blank", "record", "request"])
def test_what_is_broken_does_not_stop_it(machine: Machine, fault: str) -> None:
    record = machine.state / "rollback.env"
    match fault:
        case "blank":  # setup itself would refuse
            sh("btrfs", "subvolume", "delete", machine.filesystem.top / "root-blank")
        case "record":
            record.write_text("VERSION=2\n")
        case "request":
            (machine.state / "next").write_text("?")
    machine.say("setup", "--off")
    assert not record.exists()
    assert machine.boot().result.action == "off"


def test_the_record_of_another_system_stays(machine: Machine) -> None:
    record = machine.state / "rollback.env"
    record.write_text(record.read_text().replace("SUBVOLUME=root\n", "SUBVOLUME=other\n"))
    said = machine.refused(5, "setup", "--off")
    assert "rollback.env rolls back other; what runs here is root" in said
    assert f"mount -o subvolid=5 {machine.filesystem.device} /mnt && rm /mnt/.impermanence" in said


def test_never_set_up(filesystem: Filesystem, machine: Machine) -> None:
    sh("btrfs", "subvolume", "delete", machine.state)
    assert machine.say("setup", "--off") == "already off: nothing to do\n"
    assert not machine.state.exists()
    # A declarative system: the record is in the initrd alone, and so far no hook has run.
    source = machine.root / "etc/impermanence/rollback.env"
    source.parent.mkdir(parents=True)
    source.write_text("VERSION=1\n")
    said = machine.say("setup", "--off").splitlines()
    assert said[1:4] == [
        "  make the subvolume .impermanence",
        f"  {ASKED}",
        f"left to do: new initrds get {source}: remove it, and build the initrd of each kernel anew",
    ]
    assert records.parse_next((machine.state / "next").read_bytes()).off


def test_no_btrfs(machine: Machine, tmp_path: Path) -> None:
    machine.config.write_text(f'[[volume]]\nmountpoint = "{tmp_path}"\n')
    nothing = "no BTRFS is mounted there, so nothing is rolled back: nothing to do\n"
    assert machine.say("setup", "--off") == nothing


def in_chroot(machine: Machine, root: Path) -> str:
    """What `setup --off` says in a chroot, as in a rescue system; its configuration cannot be understood."""
    (root / "etc/impermanence").mkdir(parents=True, exist_ok=True)
    (root / "etc/impermanence/config.toml").write_text("broken = [")
    said = chroot.command(root, machine.config.parent, "", "setup", "--off")
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_in_a_rescue_system(machine: Machine) -> None:
    assert in_chroot(machine, machine.root).startswith("done:\n")
    assert machine.boot().result.action == "off"


def test_a_chroot_in_the_root_is_not_the_machine(machine: Machine) -> None:
    """A container that removes the package must not change the machine that it runs on."""
    chroot = machine.root / "srv/chroot"
    chroot.mkdir(parents=True)
    assert in_chroot(machine, chroot).startswith("no BTRFS is mounted there")
    assert machine.boot().result.action == "wiped"
