"""A change of the blank that is cut at each of its steps: the machine boots one of the two, and the next run
finishes.

What had been committed before the cut is what the disk has then (`shell/cuts`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots import records
from tests.btrfs.boots.machine import Machine
from tests.shell.cuts import CUT, Disk, disturbed
from tests.shell.hook import uuid_of

EVERYTHING = "EVERY_CUT" in os.environ  # also with what was written still in memory
SCRIPT = "import sys; from impermanenced.cli.main import command; sys.exit(command())"


class Cuts:
    """A machine that is cut in the middle of a command, again and again from the same beginning."""

    def __init__(self, machine: Machine, *argv: str) -> None:
        self.machine = machine
        self.argv = argv
        self.directory = machine.filesystem.directory / "cuts"
        self.directory.mkdir()
        self.disk = Disk(machine.filesystem)
        self.beginning = self.disk.template

    def load(self, image: Path) -> None:
        self.disk.off()
        self.disk.load(image)
        self.machine.initrd.device = self.machine.filesystem.device
        self.disk.on()
        self.machine.filesystem.mount(self.machine.root, "subvol=root")

    def run(self, **moment: int) -> int:
        top = self.machine.filesystem.top
        wrap = disturbed(self.directory, top, None, **moment)
        argv = [*wrap, sys.executable, "-B", "-c", SCRIPT, "--config", self.machine.config, *self.argv]
        result = subprocess.run(argv, check=False, capture_output=True, text=True, cwd="/")
        assert result.returncode in (0, CUT), result.stderr
        return result.returncode

    def steps(self) -> list[str]:
        return (self.directory / "turns").read_text().splitlines()

    def everywhere(self, look: Callable[[str], None]) -> None:
        self.load(self.beginning)
        assert self.run() == 0
        steps = self.steps()
        for turn, step in enumerate(steps, 1):
            if not EVERYTHING and step.split()[1] in ("create", "write"):  # a rename follows, and is cut
                continue
            for commit in (1, 0) if EVERYTHING else (1,):
                self.load(self.beginning)
                assert self.run(after=turn, sync=commit) == CUT
                crashed = self.directory / "crashed.img"
                self.disk.copy(self.machine.filesystem.image, crashed)
                self.load(crashed)
                look(f"{turn} of {len(steps)}: {step}, {'on the disk' if commit else 'in memory'}")


def check(machine: Machine, new: str, blanks: dict[str, bool]) -> None:
    """The next boot is of one of the blanks, and which one the record says."""
    booted = machine.boot()
    assert booted.result.action == "wiped", booted.said
    source = booted.result.volumes[0].source_uuid
    assert source is not None
    assert source in blanks or (machine.root / new).exists()
    assert source not in blanks or (machine.root / new).exists() == blanks[source]
    assert list((machine.state / "staging").iterdir()) == []


def test_every_cut_of_a_new_release(machine: Machine) -> None:
    (machine.root / "etc/first").touch()
    machine.say("blank", "create", "/etc/first")
    (machine.root / "etc/second").touch()
    first = uuid_of(machine.filesystem.top / "root-blank")
    cuts = Cuts(machine, "blank", "create", "/etc/second")

    def look(where: str) -> None:
        try:
            check(machine, "etc/second", {first: False})
            (machine.root / "etc/third").touch()
            machine.say("blank", "create", "/etc/third")
            places = {path.name for path in machine.filesystem.top.glob("root-blank*")}
            assert not [name for name in places if name.endswith("@next")]
            if EVERYTHING:
                assert machine.boot().result.action == "wiped"
                assert (machine.root / "etc/third").exists()
                assert "is what it was" in machine.say("blank", "verify")
            obeyed = records.parse_rollback((machine.state / "rollback.env").read_bytes()).volumes[0]
            assert obeyed.before is not None
            assert uuid_of(machine.filesystem.top / os.fsdecode(obeyed.before)) == obeyed.before_uuid
        except AssertionError as error:
            pytest.fail(f"{where}: {error}")

    cuts.everywhere(look)


def test_every_cut_of_a_revert(machine: Machine) -> None:
    for name in ("first", "second"):
        (machine.root / "etc" / name).touch()
        machine.say("blank", "create", f"/etc/{name}")
    top = machine.filesystem.top
    blanks = {uuid_of(top / "root-blank"): True, uuid_of(top / "root-blank@1"): False}
    cuts = Cuts(machine, "blank", "revert", "1")

    def look(where: str) -> None:
        try:
            check(machine, "etc/second", blanks)
            machine.say("blank", "create")  # whichever it was, the names and the record fit again
            assert not list(top.glob("root-blank@next"))
            assert {uuid_of(path) for path in top.glob("root-blank*")} >= blanks.keys()
        except AssertionError as error:
            pytest.fail(f"{where}: {error}")

    cuts.everywhere(look)
