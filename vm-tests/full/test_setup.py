"""A stock Debian, two commands, and a life with them: set up, written to, wiped, updated, and taken back.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from full import chapters, guest, stock
from full.stock import SYSTEMS, Stock, System


def archive(system: System) -> Path:
    """The packages of the whole story."""
    kernel = stock.kernels(system.release)[1]
    return system.packages(chapters.CLIENT, chapters.ADDED, chapters.LIVE, kernel)


def stock_of(directory: Path, system: System) -> Stock:
    files = {"packages": archive(system), "product": guest.package(system.release)}
    disks = []
    for name, file in files.items():
        (directory / name).mkdir()
        disks.append(guest.as_disk(file, directory / name))
    return Stock(directory, system, disks)


@pytest.fixture(params=SYSTEMS, ids=str)
def machine(request: pytest.FixtureRequest, workspace: Path) -> Iterator[Stock]:
    """A guest that is off; its second disk has packages, and its third one is the product."""
    found = stock_of(workspace, request.param)
    with found.machine:
        yield found


@pytest.mark.timeout(7200)
def test_from_an_installer_to_a_normal_machine(machine: Stock, figures: dict[str, object]) -> None:
    system, deb = machine.system, guest.package(machine.system.release)
    kernel = stock.kernels(system.release)[1]

    def note(what: str) -> None:
        figures[f"{system}: free on the disk, MiB, {what}"] = machine.free() >> 20

    def took(what: str, seconds: float) -> None:
        figures[f"{system}: {what}, seconds (emulated)"] = round(seconds, 1)

    def serve() -> None:
        machine.serve("/dev/vdb", archive(system).stat().st_size)

    machine.boot()
    serve()
    life = chapters.stock(machine, note)

    took("apt install", chapters.install(machine, deb, note))
    took("impermanence setup", chapters.set_up(machine, life, note))
    chapters.first_wipe(machine, life, note)
    chapters.restored(machine, life, note)
    serve()
    chapters.updated(machine, life, kernel, note)
    first = chapters.releases(machine)[-1]
    serve()
    chapters.same(machine, life, note)
    chapters.reverted(machine, life, first, note)
    took("impermanence setup --remove", chapters.taken_back(machine, life, note))
