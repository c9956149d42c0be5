"""What old roots tell of a path, on real snapshots."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.model import Difference
from impermanenced.report.appraisal import old_roots
from impermanenced.report.appraisal.old_roots import NOTHING, OldRoots, OldRootTree, PathHistory, by_directory

from ..conftest import Filesystem
from .conftest import Volumes


class Machine(Volumes):
    """A volume that lives again and again: each life ends as an old root."""

    def __init__(self, filesystem: Filesystem) -> None:
        super().__init__(filesystem)
        seed = filesystem.subvolume("seed")
        (seed / "etc").mkdir()
        (seed / "etc/issue").write_text("welcome\n")
        filesystem.snapshot("seed", "root-blank", readonly=True)
        self.root = filesystem.snapshot("root-blank", "root")
        self.number = 0

    def reboot(self) -> Path:
        self.number += 1
        self.root.rename(self.top / f"old-{self.number}")
        return self.filesystem.snapshot("root-blank", "root")

    @contextlib.contextmanager
    def lives(self, boot_id: str = "") -> Iterator[OldRoots]:
        now = os.open(self.top / "root", os.O_PATH)
        blank = os.open(self.top / "root-blank", os.O_PATH)
        found = [
            OldRootTree(n, os.fsencode(self.top / f"old-{n}"), f"{n:032x}") for n in range(self.number, 0, -1)
        ]
        try:
            with OldRoots(found, now, blank, boot_id) as past:
                yield past
        finally:
            os.close(now)
            os.close(blank)

    def past(self, boot_id: str = "") -> dict[str, PathHistory]:
        differences: list[Difference] = self.differences()
        with self.lives(boot_id) as past:
            return {os.fsdecode(one.path): past.of(one, one.path) for one in by_directory(differences)}


@pytest.fixture
def machine(filesystem: Filesystem) -> Machine:
    return Machine(filesystem)


def boot(root: Path, number: int) -> None:
    """What a boot makes."""
    (root / "etc/same").write_text("the same\n")
    (root / "etc/dated").write_text(
        f"# made Mon Nov  {number} 10:0{number}:00 UTC 2026, 2026-11-0{number} pid: {number}\nx\n"
    )
    (root / "etc/named").write_text(f"boot {number:032x}\n")
    (root / "etc/key").write_text(f"identity {os.urandom(8).hex()}\n")
    (root / "etc/issue").write_text("welcome, anew\n")
    (root / "var/lib").mkdir(parents=True)
    (root / "var/lib/link").symlink_to("../x")
    (root / "var/lib/nix").symlink_to(f"/nix/store/{number}{'a' * 31}-thing-1.0")
    (root / "var/lib/turning").symlink_to(f"../x{number}")
    os.mkfifo(root / "var/lib/fifo")
    (root / "var/large").write_bytes(b"x" * (old_roots.LARGEST + 1))


def test_what_comes_back(machine: Machine) -> None:
    root = machine.root
    for number in (1, 2, 3):
        boot(root, number)
        root = machine.reboot()
    boot(root, 4)
    (root / "etc/once").write_text("mine\n")
    found = machine.past(f"{4:032x}")
    for path in (
        "/etc/same",
        "/etc/dated",
        "/etc/named",
        "/etc/issue",
        "/var",
        "/var/lib/link",
        "/var/lib/nix",
        "/var/lib/fifo",
    ):
        assert found[path] == PathHistory(lost=3, same=3), path
    assert found["/etc/key"] == PathHistory(lost=3, other=3)
    assert found["/var/lib/turning"] == PathHistory(lost=3)
    assert found["/var/large"] == PathHistory(lost=3)
    assert found["/etc/once"] == NOTHING


def test_a_gap_ends_what_counts(machine: Machine) -> None:
    root = machine.root
    for content in ("other\n", "same\n", "", "same\n", "same\n"):
        if content:
            (root / "etc/x").write_text(content)
        root = machine.reboot()
    (root / "etc/x").write_text("same\n")
    assert machine.past()["/etc/x"] == PathHistory(lost=2, same=2)


def test_what_an_old_root_has_of_the_blank_was_not_lost(machine: Machine) -> None:
    root = machine.reboot()
    (root / "etc/issue").write_text("welcome\n")
    assert machine.past()["/etc/issue"] == NOTHING


def test_another_owner_is_not_the_same(machine: Machine) -> None:
    (machine.root / "etc/x").write_text("x\n")
    os.chown(machine.root / "etc/x", 1000, 1000)
    root = machine.reboot()
    (root / "etc/x").write_text("x\n")
    assert machine.past()["/etc/x"] == PathHistory(lost=1)


def test_a_copy_is_no_evidence(machine: Machine) -> None:
    """An old root that was booted again is a snapshot: its files came back with it, and not by themselves."""
    (machine.root / "etc/thesis").write_text("mine\n")
    machine.reboot()
    machine.filesystem.sync()
    os.rename(machine.top / "root", machine.top / "unused")
    machine.filesystem.snapshot("old-1", "root")
    assert machine.past()["/etc/thesis"] == PathHistory(lost=1, copied=True)


def test_links_of_an_old_root_lead_nowhere(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x\n")
    (machine.root / "trap").symlink_to(tmp_path)
    (machine.root / "etc/loop").symlink_to("loop")
    root = machine.reboot()
    (root / "trap").mkdir()
    (root / "trap/secret").write_text("x\n")
    (root / "etc/loop").mkdir()
    (root / "etc/loop/x").write_text("x\n")
    found = machine.past()
    assert found["/trap/secret"] == found["/etc/loop/x"] == NOTHING
    assert found["/trap"] == PathHistory(lost=1)


def test_the_work_is_bounded(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (machine.root / f"etc/{name}").write_text("x" * 100)
    root = machine.reboot()
    for name in ("a", "b", "c"):
        (root / f"etc/{name}").write_text("x" * 100)
    monkeypatch.setattr(old_roots, "CANDIDATES", 2)
    with machine.lives() as past:
        found = [past.of(one, one.path) for one in by_directory(machine.differences())]
        assert found == [PathHistory(1, 1), PathHistory(1, 1), NOTHING]
        assert not past.complete
    monkeypatch.setattr(old_roots, "CANDIDATES", 100)
    monkeypatch.setattr(old_roots, "BUDGET", 250)
    with machine.lives() as past:
        found = [past.of(one, one.path) for one in by_directory(machine.differences())]
        assert found == [PathHistory(1, 1), PathHistory(1, 0), PathHistory(1, 0)]
        assert not past.complete


def test_an_old_root_that_is_gone_is_left_out(machine: Machine) -> None:
    (machine.root / "etc/x").write_text("x\n")
    root = machine.reboot()
    (root / "etc/x").write_text("x\n")
    now = os.open(root, os.O_PATH)
    try:
        there = OldRootTree(1, os.fsencode(machine.top / "old-1"))
        with OldRoots([OldRootTree(2, b"/no/such"), there], now, None) as past:
            assert len(past) == 1
    finally:
        os.close(now)
