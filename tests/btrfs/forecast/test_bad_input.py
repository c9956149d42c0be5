"""What is mounted changes while the report is made, or cannot be looked into: it is said as it is."""

from __future__ import annotations

import os
from collections.abc import Callable

from impermanenced.kernel import mounts
from impermanenced.kernel.mounts import Mount
from impermanenced.model import Report, Verdict
from impermanenced.report.covered import Covered
from impermanenced.report.report import Manager
from impermanenced.report.rules import Ruling
from impermanenced.volumes.mounted import mounted_inside
from tests.conftest import sh

from .machine import Machine
from .situations import tmpfs

STATE = "/var/lib/app/state.db"


def moved(machine: Machine) -> None:
    """Data that is declared, copied to the persist volume, and still lies in the volume."""
    machine.write(STATE, "precious", age=100)
    sh("cp", "-a", "--parents", "var/lib/app", machine.top / "persist", cwd=machine.top / "root")
    machine.declare("/var/lib/app")


def report(machine: Machine, after: Callable[[int], None]) -> Report:
    """The report, while something happens after each time that the mounts are read."""
    times = 0

    def read() -> list[Mount]:
        nonlocal times
        table = mounts.read()
        times += 1
        after(times)
        return table

    with Manager(os.fsencode(machine.config), read) as manager:
        return manager.status()


def verdict(found: Report) -> Verdict:
    (entry,) = (entry for entry in found.entries if entry.difference.path == STATE.encode())
    return entry.verdict


def test_a_mount_that_goes_meanwhile_keeps_nothing(machine: Machine) -> None:
    moved(machine)
    machine.bind("/var/lib/app")
    assert verdict(report(machine, lambda times: None)) is Verdict.HIDDEN

    def umount(times: int) -> None:
        if times == 1:
            sh("umount", machine.root / "var/lib/app")

    found = report(machine, umount)
    assert verdict(found) is Verdict.DECLARED
    assert found.notes == ("what is mounted changed while this was made, and does not count: /var/lib/app",)


def test_a_mount_that_comes_meanwhile_may_go_again(machine: Machine) -> None:
    moved(machine)
    found = report(machine, lambda times: machine.bind("/var/lib/app") if times == 1 else None)
    assert verdict(found) is Verdict.DECLARED
    assert found.notes == ("what is mounted changed while this was made, and does not count: /var/lib/app",)
    assert verdict(machine.report()) is Verdict.HIDDEN, "the next one sees it"


def test_what_is_mounted_within_a_tmpfs_is_no_news(machine: Machine) -> None:
    machine.mount("/tmp", tmpfs, passing=True)
    (machine.root / "tmp/x").mkdir()
    found = report(machine, lambda times: machine.bind("/tmp/x", "persist") if times == 1 else None)
    assert found.notes == ()


def test_a_filesystem_that_somebody_serves_is_not_looked_into(machine: Machine) -> None:
    """It may never answer.  Nor is one that is not the one in the table."""
    moved(machine)
    machine.bind("/var/lib/app")
    with Manager(os.fsencode(machine.config)) as manager:
        (volume,) = manager.volumes
        (difference,) = (entry.difference for entry in manager.status().entries
                         if entry.difference.path == STATE.encode())  # fmt: skip
        (mounted,) = (
            one for one in mounted_inside(volume, [volume], mounts.read()) if one.path == b"/var/lib/app"
        )
        for served in ("nfs4", "cifs", "fuse.sshfs", "9p", "ext4"):
            one = mounted._replace(fstype=served, place=None, origin=(b"8:1", b"/"))
            with Covered(manager.machine, volume) as covered:
                ruling, hidden = covered.judge(difference, Ruling(Verdict.HIDDEN, "hidden", one))
            assert (ruling.verdict, hidden) == (Verdict.CRUD, True)
            assert ruling.words == "hidden; what is mounted there was not looked into"
        with Covered(manager.machine, volume) as covered:
            elsewhere = mounted._replace(place=None)
            assert (
                covered.judge(difference, Ruling(Verdict.HIDDEN, "hidden", elsewhere))[0].verdict
                is Verdict.HIDDEN
            )


def test_a_large_file_is_not_read(machine: Machine) -> None:
    """Of two with one size and one time the content counts as the same; else the younger is a loss."""
    large = "x" * (1 << 20) + "y"
    machine.write(STATE, large, age=100)
    sh("cp", "-a", "--parents", "var/lib/app", machine.top / "persist", cwd=machine.top / "root")
    machine.bind("/var/lib/app")
    assert verdict(machine.report()) is Verdict.HIDDEN
    os.utime(machine.top / f"persist{STATE}", (1, 1))
    assert verdict(machine.report()) is Verdict.CRUD
