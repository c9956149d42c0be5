"""The power is cut while a stock machine is set up, updated, and taken back: it boots, with everything in it,
and the command, run again, ends where it should.

CUTS= is how often in each of the three, SEED= which moments.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from full import chapters, cuts, stock
from full.chapters import Life
from full.stock import Stock, System
from full.test_setup import archive, stock_of

CUTS = int(os.environ.get("CUTS", "2"))
SET_UP = "impermanence setup --yes"
UPDATE = f"impermanence update -- apt-get install {chapters.ADDED}"
REMOVE = "impermanence setup --remove --yes"


@pytest.fixture
def machine(workspace: Path) -> Iterator[Stock]:
    found = stock_of(workspace, System("bookworm", "initramfs-tools"))
    with found.machine:
        yield found


@pytest.mark.timeout(4 * 3600)
def test_power_cuts(machine: Stock, deb: Path, figures: dict[str, object]) -> None:
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(10**6))))
    figures["SEED"] = seed
    draw = random.Random(seed)

    def note(what: str) -> None:
        figures[f"free on the disk, MiB, {what}"] = machine.free() >> 20

    size = archive(machine.system).stat().st_size
    machine.boot()
    machine.serve("/dev/vdb", size)
    life = chapters.stock(machine, note)
    chapters.install(machine, deb, note)
    machine.shutdown()

    again: dict[str, Callable[[], None]] = {
        SET_UP: lambda: set_up_again(machine, life),
        UPDATE: lambda: update_again(machine, life, size),
        REMOVE: lambda: remove_again(machine, life),
    }
    for name, (command, finish) in zip(("setup", "update", "remove"), again.items(), strict=True):
        prepare = stock.serving("/dev/vdb", size) if command == UPDATE else "true"
        recording = cuts.record(machine, name, command, prepare=prepare)
        done = machine.directory / "done.img"
        cuts.copy(machine.disk, done)
        for where in recording.states(CUTS, draw, machine.disk):
            sys.stdout.write(f"SEED={seed} {name}, cut {where}\n")
            machine.boot()
            life.check(machine)
            finish()
            machine.shutdown()
        figures[f"{name}: cuts, of {recording.last - recording.first} flushes"] = CUTS
        cuts.forget(recording)
        done.rename(machine.disk)


def set_up_again(machine: Stock, life: Life) -> None:
    machine.run(SET_UP, timeout=1500)
    life.wiped(machine)


def update_again(machine: Stock, life: Life, size: int) -> None:
    assert chapters.doctor(machine) == []
    machine.serve("/dev/vdb", size)
    machine.run(UPDATE, timeout=1500)
    life.wiped(machine)
    assert chapters.is_there(machine, chapters.ADDED) == [True]


def remove_again(machine: Stock, life: Life) -> None:
    said = machine.run(REMOVE, timeout=1500, check=False)
    assert said.status == 0 or "nothing to take back" in said.output, said.output
    machine.run("echo mine > /etc/mine")
    machine.reboot()
    life.check(machine)
    machine.run("test -s /var/lib/redis/dump.rdb && test ! -e /persist && test -e /etc/mine")
