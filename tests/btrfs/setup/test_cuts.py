"""A set-up, and the way back, killed at any moment, or with the power: the machine boots as it is then, and a
second run ends where the first one would have.

SETUP_CUTS=all tries every moment, SETUP_CUTS=100-200 those; without it some are, spread over the whole.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import Filesystem

from .cut import SCRIPT
from .machine import DEBIAN, Stock
from .test_converted import KEPT

SOME = 4


def moments(stock: Stock, *argv: str) -> int:
    """How many moments there are; the work is done."""
    said = stock.python(SCRIPT, "0", *argv, booted=True)
    assert said.returncode == 0, said.stderr
    return int(said.stderr.split()[-1])


def chosen(count: int) -> list[int]:
    wanted = os.environ.get("SETUP_CUTS", "")
    if wanted == "all":
        return list(range(1, count + 1))
    if wanted:
        first, _, last = wanted.partition("-")
        return list(range(int(first), min(int(last), count) + 1))
    return sorted({1 + number * (count - 1) // (SOME - 1) for number in range(SOME)})


class Fresh:
    """The same machine, again and again, on one filesystem."""

    def __init__(self, filesystem: Filesystem, *, set_up: bool = False) -> None:
        self.stock = Stock(filesystem, DEBIAN)
        self.prepared = self.stock.directory / "prepared"
        if set_up:
            assert self.stock.run("setup", "--yes").returncode == 0
            # In a fresh root nothing but a mount has what is kept.
            assert self.stock.boot().result.action == "wiped"
        self.stock.save(self.prepared)

    def machine(self) -> Stock:
        self.stock.load(self.prepared)
        return self.stock


def content(stock: Stock) -> None:
    """Everything that belongs to somebody is where it was, in a boot of the system as it is now."""
    for path, text in KEPT.items():
        said = stock.shell(f"cat /{path}")
        assert said.stdout == text, (path, said.stdout, said.stderr)
    assert stock.shell("stat -c '%a %u' /home/alice /var/lib/redis").stdout == "700 1000\n750 110\n"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power"])
def test_a_set_up_that_is_cut(filesystem: Filesystem, power: bool) -> None:
    fresh = Fresh(filesystem)
    count = moments(fresh.machine(), "setup", "--yes")
    assert count > 60
    for moment in chosen(count):
        stock = fresh.machine()
        said = stock.python(SCRIPT, str(moment), "setup", "--yes", booted=True)
        assert said.returncode == -9, (moment, said)
        if power:
            stock.cut_power()
        stock.boot()
        content(stock)
        said = stock.run("setup", "--yes", booted=True)
        assert said.returncode == 0, (moment, said.stderr)
        assert stock.boot().result.action == "wiped", moment
        content(stock)
        found = stock.run("doctor", booted=True)
        assert found.stdout == "nothing is wrong.\n", (moment, found.stdout)


@pytest.mark.timeout(3000)
def test_a_set_up_that_is_killed_and_goes_on_in_the_same_boot(filesystem: Filesystem) -> None:
    fresh = Fresh(filesystem)
    count = moments(fresh.machine(), "setup", "--yes")
    script = stock_script(fresh.stock.directory)
    for moment in chosen(count)[2::3]:
        stock = fresh.machine()
        again = "impermanence setup --yes && impermanence doctor"
        said = stock.shell(f"python3 {script} {moment} setup --yes; {again}")
        assert said.stdout.endswith("nothing is wrong.\n"), (moment, said.stdout, said.stderr)
        assert stock.boot().result.action == "wiped", moment
        content(stock)


@pytest.mark.parametrize("moment", [25, 61])
def test_somebody_who_presses_ctrl_c_on_the_way(stock: Stock, moment: int) -> None:
    said = stock.python(SCRIPT, f"{moment}:{signal.SIGINT:d}", "setup", "--yes")
    assert said.returncode == 130, said.stderr
    assert "Traceback" not in said.stderr
    assert stock.boot().result.action == "off"
    content(stock)
    found = stock.run("doctor", booted=True)
    assert "a set-up was cut on its way" in found.stdout and "set it up" not in found.stdout
    assert stock.run("setup", "--yes", booted=True).returncode == 0
    assert stock.boot().result.action == "wiped"
    content(stock)


def stock_script(directory: Path) -> str:
    """The script that cuts, in a place that the machine sees as well."""
    path = directory / "programs/bin/cut.py"
    path.write_text(SCRIPT)
    return "/usr/bin/cut.py"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power"])
def test_a_way_back_that_is_cut(filesystem: Filesystem, power: bool) -> None:
    fresh = Fresh(filesystem, set_up=True)
    count = moments(fresh.machine(), "setup", "--remove", "--yes")
    assert count > 40
    for moment in chosen(count):
        stock = fresh.machine()
        said = stock.python(SCRIPT, str(moment), "setup", "--remove", "--yes", booted=True)
        assert said.returncode == -9, (moment, said)
        if power:
            stock.cut_power()
        assert stock.boot().result.action in ("wiped", "kept", "off"), moment
        content(stock)
        record = stock.top / ".impermanence/setup.env"
        if record.exists() and "WAY=remove\n" in record.read_text():
            assert "the way back to a normal machine was cut" in stock.run("doctor", booted=True).stdout
        said = stock.run("setup", "--remove", "--yes", booted=True)
        assert said.returncode in (0, 5), (moment, said.stderr)
        assert stock.boot().result.action == "off", moment
        content(stock)
        assert stock.shell("findmnt -no TARGET --list | grep persist").stdout == "", moment
        assert (stock.root / "etc/fstab").read_text().count("\n") == 2, moment
