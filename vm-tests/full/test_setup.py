"""A stock Debian, two commands, and a life with them: set up, written to, wiped, updated, and taken back.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from full import chapters, guest, stock
from full.stock import Stock


def archive(initrd: str) -> Path:
    return stock.packages(initrd, chapters.CLIENT, chapters.ADDED, chapters.LIVE, stock.kernels()[1])


def stock_of(directory: Path, deb: Path, initrd: str) -> Stock:
    disks = []
    for name, file in (("packages", archive(initrd)), ("product", deb)):
        (directory / name).mkdir()
        disks.append(guest.as_disk(file, directory / name))
    return Stock(directory, initrd, disks)


@pytest.fixture(params=list(stock.BUILDERS))
def machine(request: pytest.FixtureRequest, workspace: Path, deb: Path) -> Iterator[Stock]:
    """A guest that is off; its second disk has packages, and its third one is the product."""
    found = stock_of(workspace, deb, request.param)
    with found.machine:
        yield found


@pytest.mark.timeout(7200)
def test_from_an_installer_to_a_normal_machine(
    machine: Stock, deb: Path, figures: dict[str, object], request: pytest.FixtureRequest
) -> None:
    initrd = request.node.callspec.params["machine"]

    def note(what: str) -> None:
        figures[f"{initrd}: free on the disk, MiB, {what}"] = machine.free() >> 20

    def took(what: str, seconds: float) -> None:
        figures[f"{initrd}: {what}, seconds (emulated)"] = round(seconds, 1)

    size = archive(initrd).stat().st_size
    machine.boot()
    machine.serve("/dev/vdb", size)
    life = chapters.stock(machine, note)

    took("apt install", chapters.install(machine, deb, note))
    took("impermanence setup", chapters.set_up(machine, life, note))
    chapters.first_wipe(machine, life, note)
    chapters.crud(machine, life, note)

    machine.serve("/dev/vdb", size)
    chapters.updated(machine, life, note)
    (first,) = chapters.releases(machine)[1:]
    machine.serve("/dev/vdb", size)
    chapters.upgraded(machine, life, stock.kernels()[1], note)
    machine.serve("/dev/vdb", size)
    chapters.same(machine, life, note)
    chapters.reverted(machine, life, first, note)
    took("impermanence setup --remove", chapters.taken_back(machine, life, note))
